"""Listeners: the host sockets of published ports, and where the userland proxy sends what arrives there."""

from __future__ import annotations

from dataclasses import dataclass

from linkspan.model.addresses import Address, Subnet


@dataclass(frozen=True, slots=True)
class Listener:
    """`count` sockets on `host_address` from `host_port`; connections go on to `target_address`.

    `sources` are who may connect besides the host itself; empty means everybody.
    """

    protocol: str
    host_address: Address
    host_port: int
    target_address: Address
    target_port: int
    count: int = 1
    sources: tuple[Subnet, ...] = ()
