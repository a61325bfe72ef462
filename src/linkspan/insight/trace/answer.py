"""The use case: from FROM and TO to the finished document."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from linkspan.insight.trace import live, seats
from linkspan.insight.trace.packet import Packet, unspecified
from linkspan.insight.trace.report import document
from linkspan.insight.trace.walk import Walk, Walker
from linkspan.insight.trace.world import HOST, NoWay, World, topology
from linkspan.model.errors import InvalidParameter

#: beside the ports that kernels give to programs by themselves
SOURCE_PORTS = range(61000, 65000)


def trace(
    survey: Mapping[str, Any], world: World, begin: str, aim: str, ours: frozenset[str]
) -> dict[str, Any]:
    """Return the way of the first packet from `begin` to `aim`; raises NotFound, InvalidParameter.

    `ours` are the texts of Linkspan's rules in chains that everybody writes to.
    """
    start = seats.start(survey, begin)
    packet = seats.packet(survey, start, seats.target(aim))
    people = topology(survey)
    walker = Walker(world, people)
    walk = (
        _outside(world, walker, start, packet) if start.outside else walker.from_inside(start.place, packet)
    )
    return {"From": begin, "To": aim, **document(walk, people, ours)}


def lived(
    survey: Mapping[str, Any], found: dict[str, Any], inside: Callable[[str, Callable[[], str]], str]
) -> dict[str, Any]:
    """Return a finished trace with a real packet beside it; raises InvalidParameter, LinkspanError."""
    start = seats.start(survey, found["From"])
    if start.outside:
        raise InvalidParameter(
            f"--live sends from containers and from the host: nothing can be sent from {start.name} here"
        )
    port = random.choice(SOURCE_PORTS)
    packet = seats.packet(survey, start, seats.target(found["To"]))
    packet = replace(packet, source_port=port if packet.source_port else 0)
    seen = live.sent(start.place, packet, inside)
    rejected = bool(found["Rule"]) and found["Rule"]["Does"] == "reject"
    wanted = live.expected(found["Verdict"], packet.protocol, rejected=rejected, proxied=found["Proxied"])
    return {
        **found,
        "Live": {"Outcome": seen.outcome, "Agrees": seen.outcome in wanted, "Kernel": list(seen.lines)},
    }


def _outside(world: World, walker: Walker, start: seats.Start, packet: Packet) -> Walk:
    """A packet from beyond the host comes in by the link that its answer would leave by."""
    back = Packet(packet.protocol, unspecified(packet.version), packet.source)
    try:
        way = world.way(HOST, back)
    except NoWay as error:
        raise InvalidParameter(
            f"the host has no route to {packet.source}, so nothing comes from there"
        ) from error
    if way.local:
        raise InvalidParameter(f"{packet.source} is an address of the host itself: trace from host")
    return walker.from_outside(packet, way.link)
