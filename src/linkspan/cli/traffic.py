"""top: the processes of a container, or without one the traffic of all, every second."""

from __future__ import annotations

import sys
import time

from linkspan.cli import json_text, tables
from linkspan.cli.flags import Command, Flag, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from linkspan.cli.client import Client

CLEAR = "\x1b[H\x1b[J"
DROPS = 10
Rates = dict[str, tuple[int, ...]]


def _top(options: Options, client: Client) -> int:
    if not options.arguments:
        return _traffic(options, client)
    name, *arguments = options.arguments
    answer = client.get(f"/containers/{name}/top", ps_args=" ".join(arguments) or None)
    print(tables.table(answer["Titles"], answer["Processes"]))
    return 0


def _traffic(options: Options, client: Client) -> int:
    if options.on("json"):
        print(json_text.pretty(client.get("/linkspan/traffic")))
        return 0
    before, then = None, 0.0
    while True:
        found, now = client.get("/linkspan/traffic"), time.monotonic()
        text = view(found, before, now - then)
        if options.on("once") or not sys.stdout.isatty():
            print(text)
            return 0
        print(CLEAR + text, flush=True)
        before, then = found, now
        time.sleep(1)


def view(found: dict[str, Any], before: dict[str, Any] | None, seconds: float) -> str:
    """The figures as tables; with those of `seconds` before, rates a second instead of sums."""
    parts = []
    unit = "/s" if before else ""
    for title, key in (("CONTAINER", "Containers"), ("NETWORK", "Networks")):
        old = {each["Id"]: each for each in before[key]} if before else {}
        rows = [_row(each, old.get(each["Id"]), before is not None, seconds) for each in found[key]]
        heads = (title, f"RX{unit}", f"TX{unit}", f"RX PACKETS{unit}", f"TX PACKETS{unit}", "CONNECTIONS")
        parts.append(tables.table(heads, rows))
    rows = [(_port(each), each["Container"], str(each["Connections"])) for each in found["Ports"]]
    parts.append(tables.table(("PORT", "CONTAINER", "CONNECTIONS"), rows))
    dropped = [each for each in found["Drops"] if each["Packets"]][:DROPS]
    rows = [(str(each["Packets"]), tables.size(each["Bytes"]), _rule(each)) for each in dropped]
    parts.append(tables.table(("DROPPED", "BYTES", "BY RULE"), rows))
    return "\n\n".join(parts)


def _row(each: dict[str, Any], old: dict[str, Any] | None, rates: bool, seconds: float) -> tuple[str, ...]:
    def figure(name: str) -> float:
        if not rates:
            return float(each[name])
        grown = float(each[name] - old[name]) if old else 0.0
        return max(0.0, grown / seconds)

    sizes = [tables.size(figure(name)) for name in ("RxBytes", "TxBytes")]
    packets = [f"{figure(name):.0f}" for name in ("RxPackets", "TxPackets")]
    return (each["Name"], *sizes, *packets, str(each["Connections"]))


def _port(each: dict[str, Any]) -> str:
    address = f"[{each['HostIp']}]" if ":" in each["HostIp"] else each["HostIp"]
    last = f"-{each['HostPort'] + each['Count'] - 1}" if each["Count"] > 1 else ""
    return f"{address}:{each['HostPort']}{last}/{each['Protocol']}"


def _rule(each: dict[str, Any]) -> str:
    return f"ipv{each['Family']} {each['Table']} {each['Rule']}"


TOP = Command(
    "top",
    "[OPTIONS] [CONTAINER [ps OPTIONS]]",
    "Show the traffic of containers, networks and ports every second; or the processes of a container",
    _top,
    (Flag("once", "Print the sums once", "bool"), Flag("json", "Print the sums once, as JSON", "bool")),
    examples="linkspan top\nlinkspan top --once\nlinkspan top web",
    interspersed=False,
)
