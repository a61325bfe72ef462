"""Traffic per container, network and published port, and what rules dropped, as one JSON document. Pure.

Bytes and packets are counters of the links, as in `docker stats`; connections are those tracked just now.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_interface
from typing import Any

from linkspan.insight.scope import LINKLESS, Survey
from linkspan.kernel.conntrack import Flow
from linkspan.model.addresses import Address

Document = dict[str, Any]
COUNTERS = ("RxBytes", "RxPackets", "RxDropped", "TxBytes", "TxPackets", "TxDropped")
NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
_RULE = re.compile(r"\[(\d+):(\d+)\] -A (.*-j (?:DROP|REJECT)\b.*)")
_NFT_RULE = re.compile(r"(.*?)counter packets (\d+) bytes (\d+) (drop|reject.*)")
_COMMENT = re.compile(r' -m comment --comment ("[^"]*"|\S+)')


def traffic(survey: Survey, flows: Sequence[Flow], drops: Sequence[Document]) -> Document:
    """Return `Containers`, `Networks` and `Ports`, each by name, and `Drops`, the busiest rule first.

    Counters of a network are the sums of its containers'. Rx is what containers received.
    """
    ends: Counter[Address] = Counter()
    for flow in flows:
        ends.update({flow.source, flow.reply_source})
    here = _here(survey)
    containers = [each for each in survey["Containers"] if each["Endpoints"]]
    points = [point for each in containers for point in each["Endpoints"]]
    return {
        "Containers": [
            {"Name": each["Name"], "Id": each["Id"], **_sums(each["Endpoints"], ends)} for each in containers
        ],
        "Networks": [
            {"Name": each["Name"], "Id": each["Id"]}
            | _sums([point for point in points if point["NetworkId"] == each["Id"]], ends)
            for each in survey["Networks"]
            if each["Driver"] not in LINKLESS
        ],
        "Ports": [
            {"Container": each["Name"], **binding, "Connections": _through(flows, here, each, binding)}
            for each in containers
            for binding in each["Ports"]
            if binding["HostPort"]
        ],
        "Drops": sorted(drops, key=lambda each: -int(each["Packets"])),
    }


def _addresses(points: Iterable[Mapping[str, Any]]) -> Iterator[Address]:
    for point in points:
        yield from (ip_interface(point[key]).ip for key in ("IPv4", "IPv6") if point[key])


def _sums(points: Sequence[Mapping[str, Any]], ends: Mapping[Address, int]) -> Document:
    sums = {name: sum(point[name] for point in points) for name in COUNTERS}
    return {**sums, "Connections": sum(ends.get(address, 0) for address in _addresses(points))}


def _here(survey: Survey) -> frozenset[Address]:
    """Return the addresses of the host."""
    owners = (*survey["Host"]["Interfaces"], *survey["Networks"])
    return frozenset(ip_interface(address).ip for each in owners for address in each["Addresses"])


def _through(
    flows: Iterable[Flow],
    here: frozenset[Address],
    container: Mapping[str, Any],
    binding: Mapping[str, Any],
) -> int:
    """Count the flows to a published port: translated to the container, or taken by the proxy on the host."""
    own, host = set(_addresses(container["Endpoints"])), ip_address(binding["HostIp"])
    first, number = binding["HostPort"], NUMBERS[binding["Protocol"]]
    return sum(
        flow.protocol == number
        and first <= flow.destination_port < first + binding["Count"]
        and flow.destination.version == host.version
        and (host.is_unspecified or flow.destination == host)
        and flow.destination not in own
        and (flow.reply_source in own or flow.reply_source == flow.destination)
        and (flow.destination in here or flow.destination.is_loopback)
        for flow in flows
    )


def dropping(saved: str, family: int) -> list[Document]:
    """Return the rules in the output of iptables-save -c that drop or refuse, with what they did so far."""
    found, table = [], ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif rule := _RULE.fullmatch(line):
            text = _COMMENT.sub("", rule[3])
            found.append(_dropping(family, table, text, int(rule[1]), int(rule[2])))
    return found


def _dropping(family: int, table: str, rule: str, packets: int, size: int) -> Document:
    return {"Family": family, "Table": table, "Rule": rule, "Packets": packets, "Bytes": size}


def dropping_nft(listed: str, family: int) -> list[Document]:
    """Return the rules with a counter and a drop in the output of `nft -t list table`."""
    found, chain, table = [], "", ""
    for line in map(str.strip, listed.splitlines()):
        if line.startswith(("table ", "chain ")):
            word, _, rest = line.partition(" ")
            name = rest.split(" {")[0]
            table, chain = (name, "") if word == "table" else (table, name)
        elif rule := re.match(
            r"(.*?)counter packets (\d+) bytes (\d+) (drop|reject.*?)( # handle \d+)?$", line
        ):
            text = f"{chain} {rule[1]}{rule[4]}"
            found.append(_dropping(family, table, text, int(rule[2]), int(rule[3])))
    return found
