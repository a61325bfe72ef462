"""web: the live map in a browser, served by a process of its own."""

from __future__ import annotations

import sys

from linkspan.cli.client import ClientError
from linkspan.cli.flags import Command, Flag, Options, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from linkspan.cli.client import Client

HIGHEST_PORT = 65535


def _web(options: Options, client: Client) -> int:
    import asyncio

    from linkspan.model.errors import LinkspanError
    from linkspan.web import guard, server

    address, port, token = options.text("address"), options.number("port", 0), not options.on("no-token")
    if port is None or not 0 <= port <= HIGHEST_PORT:
        raise UsageError(f"--port {port}: write a number from 0 (any that is free) to {HIGHEST_PORT}", 1)
    try:
        warning = guard.check_place(address, options.on("remote"), token)
        client.get("/linkspan/survey")  # says at once what is wrong: no daemon, no permission
        listening = server.bind(address, port)
    except LinkspanError as error:
        raise ClientError(str(error)) from error
    if warning:
        print(warning, file=sys.stderr)
    rules = guard.Guard(address, listening.getsockname()[1], guard.new_token() if token else "")

    def ready() -> None:
        print(f"The map is at  {guard.url(rules)}\nCtrl-C ends it.", flush=True)

    asyncio.run(server.serve(listening, rules, client.host, ready))
    return 0


WEB = Command(
    "web",
    "[OPTIONS]",
    "Show the live map in a browser: containers, traffic, traces by clicking",
    _web,
    (
        Flag("port", "Port to listen on, 0 for any that is free", "number", default="8089"),
        Flag("address", "Address to listen on", default="127.0.0.1"),
        Flag("remote", "Allow an --address that other machines can reach", "bool"),
        Flag("no-token", "Let every user of this machine see it, without a token in the address", "bool"),
    ),
    examples="linkspan web\nlinkspan web --port 0\n"
    "ssh -L 8089:127.0.0.1:8089 server     then `linkspan web` there, and open the address here",
    maximum=0,
)
