"""The `linkspan` command: finds the module of the command asked for and imports nothing else."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkspan.cli.flags import Command

#: command -> (module of linkspan.cli, name in it, summary)
COMMANDS = {
    "run": ("running", "RUN", "Create and run a new container from an image"),
    "create": ("running", "CREATE", "Create a new container"),
    "exec": ("execute", "EXEC", "Execute a command in a running container"),
    "ps": ("containers", "PS", "List containers"),
    "inspect": ("inspection", "INSPECT", "Show everything known about containers, networks and images"),
    "logs": ("inspection", "LOGS", "Fetch the logs of a container"),
    "top": ("traffic", "TOP", "Show traffic every second, or the processes of a container"),
    "port": ("ports", "PORT", "List, add or remove port mappings of a container"),
    "start": ("containers", "START", "Start stopped containers"),
    "stop": ("containers", "STOP", "Stop running containers"),
    "restart": ("containers", "RESTART", "Restart containers"),
    "kill": ("containers", "KILL", "Kill running containers"),
    "wait": ("containers", "WAIT", "Wait until containers stop, then print their exit codes"),
    "rename": ("containers", "RENAME", "Rename a container"),
    "rm": ("containers", "RM", "Remove containers"),
    "images": ("images", "IMAGES", "List images"),
    "pull": ("images", "PULL", "Download an image from a registry"),
    "load": ("images", "LOAD", "Load images from a tar archive or STDIN"),
    "import": ("images", "IMPORT", "Make an image of the contents of a tar archive"),
    "tag": ("images", "TAG", "Give an image another name"),
    "rmi": ("images", "RMI", "Remove images"),
    "network create": ("networks", "CREATE", "Create a network"),
    "network ls": ("networks", "LIST", "List networks"),
    "network inspect": ("networks", "INSPECT", "Show everything known about networks"),
    "network rm": ("networks", "REMOVE", "Remove networks"),
    "network prune": ("networks", "PRUNE", "Remove all unused networks"),
    "network connect": ("networks", "CONNECT", "Connect a container to a network"),
    "network disconnect": ("networks", "DISCONNECT", "Disconnect a container from a network"),
    "links": ("looking", "LINKS", "List which veth belongs to which container"),
    "map": ("looking", "MAP", "Draw bridges, veth pairs, containers and published ports"),
    "commands": ("looking", "COMMANDS", "Print the commands that build a network by hand"),
    "trace": ("tracing", "TRACE", "Tell the way of a packet, and what stops it"),
    "web": ("web", "WEB", "Show the live map in a browser"),
    "capture": ("capturing", "CAPTURE", "Write the packets of a container, network or port as a pcap"),
    "doctor": ("doctor", "DOCTOR", "Compare this host with the records, and put it right"),
    "events": ("system", "EVENTS", "Show what happens, as it happens"),
    "version": ("system", "VERSION", "Show the versions of client and daemon"),
    "info": ("system", "INFO", "Show what the daemon is and holds"),
}

#: docker's other names for the same commands
ALIASES = {
    ("network", "list"): "network ls",
    ("network", "remove"): "network rm",
    ("container", "ls"): "ps",
    ("container", "list"): "ps",
    ("image", "ls"): "images",
    ("image", "list"): "images",
    ("image", "rm"): "rmi",
    ("system", "info"): "info",
    ("system", "events"): "events",
}
GROUPS = ("network", "container", "image", "system")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own) and return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(words)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _silence_stdout()
        return 0


def daemon_main(arguments: Sequence[str] | None = None) -> int:
    """`linkspand`: the daemon with dockerd's flags."""
    from linkspan.cli import daemon

    return daemon.main(sys.argv[1:] if arguments is None else arguments)


def _dispatch(words: list[str]) -> int:
    host, words = _global_flags(words)
    if words[:1] == ["daemon"]:
        return daemon_main(words[1:])
    if words[:1] == ["compose"]:
        from linkspan.cli import compose

        return compose.main(words[1:], host)
    if not words or words[0] in ("help", "--help", "-h"):
        return _help(words[1:])
    if words[0] in ("--version", "-v"):
        from linkspan import __version__

        print(f"Linkspan version {__version__}")
        return 0
    name, rest = _resolve(words)
    if name is None:
        return _unknown(words)
    return _run(_load(name), rest, host)


def _global_flags(words: list[str]) -> tuple[str, list[str]]:
    """Take -H / --host off the front."""
    host = ""
    while words and (words[0].startswith(("-H", "--host"))):
        word, *words = words
        name, joined, value = word.partition("=")
        if name not in ("-H", "--host") and word.startswith("-H"):
            joined, value = "=", word[2:]
        if not joined:
            value, *words = words or [""]
        host = value
    return host, words


def _resolve(words: list[str]) -> tuple[str | None, list[str]]:
    if words[0] in GROUPS and len(words) > 1:
        pair = (words[0], words[1])
        for name in (ALIASES.get(pair), " ".join(pair), words[1] if words[0] != "network" else None):
            if name in COMMANDS:
                return name, words[2:]
    if words[0] in COMMANDS:
        return words[0], words[1:]
    return None, words


def _load(name: str) -> Command:
    module_name, attribute, _ = COMMANDS[name]
    module = __import__(f"linkspan.cli.{module_name}", fromlist=[attribute])
    command: Command = getattr(module, attribute)
    return command


def _run(command: Command, words: list[str], host: str) -> int:
    from linkspan.cli.client import ClientError, default_client
    from linkspan.cli.flags import HelpWanted, UsageError, help_text, parse

    try:
        return command.run(parse(command, words), default_client(host))
    except HelpWanted:
        print(help_text(command), end="")
        return 0
    except UsageError as error:
        print(error, file=sys.stderr)
        return error.code
    except ClientError as error:
        prefix = "Error response from daemon: " if error.status else ""
        print(f"{prefix}{error}", file=sys.stderr)
        return 125 if command.name == "run" else 1


def _unknown(words: list[str]) -> int:
    if (words[0] in GROUPS and len(words) == 1) or words[1:2] in (["--help"], ["-h"]):
        return _help(words[:1])
    shown = " ".join(words[:2] if words[0] in GROUPS else words[:1])
    advice = "Run 'linkspan --help' for more information"
    print(f"linkspan: unknown command: linkspan {shown}\n\n{advice}", file=sys.stderr)
    return 1


def _help(words: list[str]) -> int:
    name, _ = _resolve(words) if words else (None, [])
    if name is not None:
        from linkspan.cli.flags import help_text

        print(help_text(_load(name)), end="")
        return 0
    from linkspan.cli.overview import overview

    print(overview(COMMANDS, words[0] if words else ""), end="")
    return 0


def _silence_stdout() -> None:
    """The reader of our output has gone: give the interpreter's last flush somewhere to go."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
