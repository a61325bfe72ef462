"""trace: the way of a packet, hop by hop, and what stops it."""

from __future__ import annotations

from linkspan.cli import json_text
from linkspan.cli.flags import Command, Flag, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from linkspan.cli.client import Client


def _trace(options: Options, client: Client) -> int:
    from linkspan.insight.trace.report import lines

    begin, aim = options.arguments
    found = client.get("/linkspan/trace", **{"from": begin, "to": aim, "live": options.on("live") or None})
    if options.on("json"):
        print(json_text.pretty(found))
    else:
        print("\n".join(lines(found)))
    agrees = "Live" not in found or found["Live"]["Agrees"]
    return 0 if found["Reaches"] and agrees else 1


TRACE = Command(
    "trace",
    "[OPTIONS] FROM TO[:PORT][/udp]",
    "Tell the way of a packet through namespaces, bridges and rules, and what stops it (exit code 1)",
    _trace,
    (
        Flag("live", "Send a real packet, too, and show what the kernel says of it", "bool"),
        Flag("json", "As JSON", "bool"),
    ),
    examples="""\
linkspan trace lan host:8080          a neighbour asks a published port
linkspan trace web db:5432            one container asks another
linkspan trace web internet           ping an address of the world
linkspan trace 10.0.0.9 172.17.0.2:80
linkspan trace --live web db:5432     and see it happen""",
    minimum=2,
    maximum=2,
)
