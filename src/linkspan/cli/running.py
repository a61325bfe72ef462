"""run and create: make a container, start it, stay with it or leave it running."""

from __future__ import annotations

import sys

from linkspan.cli import creation
from linkspan.cli.client import ClientError
from linkspan.cli.flags import Command, Flag, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from linkspan.cli.client import Client


def _create(options: Options, client: Client) -> int:
    print(make(options, client, attached=True))
    return 0


def make(options: Options, client: Client, *, attached: bool) -> str:
    """Create the container, pulling its image if it is missing, and return its id; warnings go to stderr."""
    wanted = creation.body(options, attached=attached)
    name = options.text("name") or None
    try:
        answer = client.post("/containers/create", wanted, name=name)
    except ClientError as error:
        if error.status != 404 or "No such image" not in str(error):
            raise
        image = wanted["Image"]
        print(f"Unable to find image '{image}' locally", file=sys.stderr)
        from linkspan.cli.images import pull

        pull(client, image, quiet=False, output=sys.stderr)
        answer = client.post("/containers/create", wanted, name=name)
    for warning in answer.get("Warnings") or []:
        print(f"WARNING: {warning}", file=sys.stderr)
    id = str(answer["Id"])
    if options.text("cidfile"):
        with open(options.text("cidfile"), "x") as file:
            file.write(id)
    return id


def _run(options: Options, client: Client) -> int:
    detached = options.on("detach")
    id = make(options, client, attached=not detached)
    if detached:
        try:
            client.post(f"/containers/{id}/start")
        except ClientError as error:
            return _failed(error)
        print(id)
        return 0
    return attach_and_start(client, id, with_input=options.on("interactive"), removed=options.on("rm"))


def attach_and_start(client: Client, name: str, *, with_input: bool, removed: bool = False) -> int:
    """Start a container, show its output until it ends, and return its exit code.

    The order is docker's: attach and wait are asked for before the start, so that nothing can be missed.
    """
    from linkspan.cli import streams

    terminal = bool(client.get(f"/containers/{name}/json")["Config"]["Tty"])
    query = {"stream": True, "stdin": with_input or None, "stdout": True, "stderr": True}
    attached = client.hijack("POST", f"/containers/{name}/attach", None, **query)
    condition = "removed" if removed else "next-exit"
    waiting = client.send("POST", f"/containers/{name}/wait", query={"condition": condition})
    try:
        client.post(f"/containers/{name}/start")
    except ClientError as error:
        return _failed(error)
    if terminal and with_input and sys.stdin.isatty():
        with streams.RawTerminal(lambda h, w: client.post(f"/containers/{name}/resize", None, h=h, w=w)):
            streams.converse(attached.connection, raw=True, with_input=True)
    else:
        _converse_with_signals(client, name, attached, terminal, with_input)
    return int(next(iter(waiting.documents()))["StatusCode"])


def _converse_with_signals(
    client: Client, name: str, attached: Any, terminal: bool, with_input: bool
) -> None:
    """Pass SIGINT and SIGTERM on to the container while its output is copied, as docker does."""
    import signal

    from linkspan.cli import streams

    def forward(number: int, _frame: object) -> None:
        client.post(f"/containers/{name}/kill", None, signal=str(number))

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    streams.converse(attached.connection, raw=terminal, with_input=with_input)


def _failed(error: ClientError) -> int:
    """Tell why the start failed; the exit code is docker's: 127 not found, 126 not executable, 125 else."""
    text = str(error)
    print(
        f"linkspan: Error response from daemon: {text}\n\nRun 'linkspan run --help' for more information",
        file=sys.stderr,
    )
    if any(each in text for each in ("executable file not found", "no such file or directory")):
        return 127
    if any(each in text for each in ("permission denied", "is a directory")):
        return 126
    return 125


RUN = Command(
    "run",
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create and run a new container from an image",
    _run,
    (*creation.FLAGS, Flag("detach", "Leave it running and print its id", "bool", short="d")),
    examples="""\
# a web server, published on port 8080 of this host
linkspan run -d --name web -p 8080:80 busybox httpd -f

# its output and exit code are ours
linkspan run --rm busybox sh -c 'echo hello; exit 3'

# in web's network namespace; on no network; on the host's
linkspan run --rm --network container:web busybox ip addr
linkspan run --rm --network none busybox ip link
linkspan run --rm --network host busybox ip link

# a thousand ports as one rule
linkspan run -d -p 8000-8999:8000-8999 busybox sleep 1000""",
    minimum=1,
    interspersed=False,
)
CREATE = Command(
    "create",
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create a new container, to be started later",
    _create,
    creation.FLAGS,
    examples="linkspan create --name web -p 8080:80 busybox httpd -f\nlinkspan start web",
    minimum=1,
    interspersed=False,
)
