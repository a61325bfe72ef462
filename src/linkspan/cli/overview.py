"""What `linkspan --help` prints: what it is, how to begin, every command with one line."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

INTRODUCTION = """\
Usage:  linkspan [-H HOST] COMMAND

Linkspan runs containers on Docker's network architecture. The docker command, compose and
SDKs work with it too: point them at the daemon's socket with DOCKER_HOST.

To begin (as root):
  linkspan daemon                                    start the engine (another terminal)
  linkspan run -d --name web -p 8080:80 busybox sh -c 'echo hello >index.html; httpd -f'
  linkspan ps                                        see it
  curl http://127.0.0.1:8080/                        ask it
  linkspan rm -f web                                 nothing is left of it

"""

CLOSING = """
Options:
  -H, --host string   The daemon's socket (unix:///path or tcp://address:port);
                      else LINKSPAN_HOST, else DOCKER_HOST, else unix:///run/linkspan/linkspan.sock
  -v, --version       Show the version

Run 'linkspan COMMAND --help' for the flags of a command and examples.
"""


def overview(commands: Mapping[str, tuple[str, str, str]], group: str = "") -> str:
    """The text for all commands, or for the ones of a group ("network")."""
    shown = {name: summary for name, (_, _, summary) in commands.items() if name.startswith(group)}
    width = max((len(name) for name in shown), default=0) + 2
    lines = [f"  {name:<{width}}{summary}" for name, summary in shown.items()]
    if group and shown:
        return f"Usage:  linkspan {group} COMMAND\n\nCommands:\n" + "\n".join(lines) + "\n"
    lines.append(f"  {'compose':<{width}}Run the projects of compose files (up, down, ps, logs, …)")
    lines.append(f"  {'daemon':<{width}}Start the engine (also installed as linkspand)")
    return INTRODUCTION + "Commands:\n" + "\n".join(lines) + "\n" + CLOSING
