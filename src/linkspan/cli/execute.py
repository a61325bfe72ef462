"""exec: another command in a running container."""

from __future__ import annotations

import sys

from linkspan.cli import creation
from linkspan.cli.flags import Command, Flag, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from linkspan.cli.client import Client


def _exec(options: Options, client: Client) -> int:
    from linkspan.cli import streams

    name, *command = options.arguments
    detached, terminal, with_input = options.on("detach"), options.on("tty"), options.on("interactive")
    wanted = {
        "AttachStdin": with_input and not detached,
        "AttachStdout": not detached,
        "AttachStderr": not detached,
        "Tty": terminal,
        "Cmd": command,
        "Env": creation.environment(options.list("env"), options.list("env-file")),
        "WorkingDir": options.text("workdir"),
        "User": options.text("user"),
        "Privileged": options.on("privileged"),
    }
    id = client.post(f"/containers/{name}/exec", wanted)["Id"]
    start = {"Detach": detached, "Tty": terminal}
    if detached:
        client.post(f"/exec/{id}/start", start)
        return 0
    response = client.hijack("POST", f"/exec/{id}/start", start)
    if terminal and with_input and sys.stdin.isatty():
        with streams.RawTerminal(lambda h, w: client.post(f"/exec/{id}/resize", None, h=h, w=w)):
            streams.converse(response.connection, raw=True, with_input=True)
    else:
        streams.converse(response.connection, raw=terminal, with_input=with_input)
    return int(client.get(f"/exec/{id}/json")["ExitCode"] or 0)


EXEC = Command(
    "exec",
    "[OPTIONS] CONTAINER COMMAND [ARG...]",
    "Execute a command in a running container",
    _exec,
    (
        Flag("detach", "Leave it running", "bool", short="d"),
        Flag("env", "Environment variable", "list", short="e"),
        Flag("env-file", "File of environment variables", "list"),
        Flag("interactive", "Pass our input on", "bool", short="i"),
        Flag("privileged", "All capabilities", "bool"),
        Flag("tty", "Give it a terminal", "bool", short="t"),
        Flag("user", "User it runs as (name or uid[:gid])", short="u"),
        Flag("workdir", "Directory it starts in", short="w"),
    ),
    examples="linkspan exec web ip addr\nlinkspan exec -it web sh",
    minimum=2,
    interspersed=False,
)
