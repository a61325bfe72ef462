"""The gate of a sandbox that may go to some places only: which names are asked, and what they open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from linkspan.model.addresses import Address
from linkspan.path.dns import message

Opener = Callable[[str, list[Address], int], Awaitable[None]]
"""Opens the way from a bridge to addresses, for seconds."""


@dataclass(frozen=True, slots=True)
class Gate:
    """`doors` are (bridge, names) of the networks with a list; `*.example.org` is every name below.

    `closed` means that the sandbox has no network without a list: then no other name is asked outside.
    """

    doors: tuple[tuple[str, tuple[str, ...]], ...]
    closed: bool
    opener: Opener = field(compare=False)

    def bridges(self, name: str) -> list[str]:
        """Return the bridges whose list has `name`, which is lower case without its last dot."""
        return [bridge for bridge, patterns in self.doors if any(_means(each, name) for each in patterns)]

    async def open(self, bridges: list[str], answer: bytes) -> None:
        """Open the way to the addresses of an answer, before the asker has it."""
        if addresses := addresses_in(answer):
            for bridge in bridges:
                await self.opener(bridge, addresses, message.lifetime(answer))


def _means(pattern: str, name: str) -> bool:
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def addresses_in(answer: bytes) -> list[Address]:
    """Return the addresses that an answer gives; none of what cannot be read."""
    lengths = {message.A: 4, message.AAAA: 16}
    if len(answer) < message.HEADER.size:
        return []
    try:
        return [
            ip_address(bytes(record.data))
            for record in message.records(answer)
            if record.section == 0
            and record.klass == message.INTERNET
            and lengths.get(record.type) == len(record.data)
        ]
    except message.Malformed:
        return []
