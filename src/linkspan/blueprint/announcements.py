"""Announcements: what a new interface tells its neighbours about itself, unasked."""

from __future__ import annotations

from dataclasses import dataclass

from linkspan.model.addresses import Address


@dataclass(frozen=True, slots=True)
class Announcement:
    """`count` messages for each of `addresses` of `link` in `sandbox`, `interval` seconds apart.

    An IPv4 address is told by ARP, an IPv6 address by a neighbour advertisement.
    """

    sandbox: str
    link: str
    mac: str
    addresses: tuple[Address, ...]
    count: int = 3
    interval: float = 1.0
