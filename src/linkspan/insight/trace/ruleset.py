"""Rules of any origin as values: what a rule says to a packet, and the chains that hang on a hook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from linkspan.insight.trace.packet import Packet
from linkspan.model.addresses import Address

PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = "prerouting", "input", "forward", "output", "postrouting"
ACCEPT, DROP, REJECT, RETURN, JUMP, GOTO, GO_ON = (
    "accept",
    "drop",
    "reject",
    "return",
    "jump",
    "goto",
    "go on",
)

Kind = Callable[[Address], str]
"""Tells what an address is to this namespace: local, unicast, broadcast or multicast."""


class Undecided(Exception):
    """Whether a rule matches depends on what cannot be known without a real packet; says on what."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a matching rule does: a verdict, where it leads, and the packet as it is then.

    `words` say a change in a person's words ("destination becomes 172.17.0.2:80"), "" when there is none.
    """

    verdict: str
    packet: Packet
    target: str = ""
    words: str = ""
    translates: bool = False
    masquerades: bool = False


class Judge(Protocol):
    """A rule: None when it does not match; raises Undecided."""

    def __call__(self, packet: Packet, kind: Kind) -> Effect | None: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule with its text, how many packets it has counted (-1: does not count), and how to delete it."""

    text: str
    judge: Judge
    counted: int = -1
    deletion: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain; a base chain has a hook, a priority and a policy. `nat`: it sees first packets only."""

    name: str
    rules: Sequence[Rule] = ()
    hook: str = ""
    priority: int = 0
    policy: str = ACCEPT
    nat: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its chains by name; `tool` is iptables, ip6tables, iptables-legacy, … or nft."""

    tool: str
    name: str
    family: str
    chains: Mapping[str, Chain] = field(default_factory=dict)

    def covers(self, version: int) -> bool:
        """Return whether packets of an address family pass this table."""
        return self.family in ("inet", "ip" if version == 4 else "ip6")
