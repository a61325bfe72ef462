"""Leases: which addresses of one pool are given out, and which one is next.

As Docker's allocator on a local network: the lowest free address of the ip-range (or the subnet), so that a
freed address is given again before a new one.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from linkspan.model.addresses import Address, Subnet
from linkspan.model.errors import Forbidden, InvalidParameter, Unavailable
from linkspan.model.network import Pool


class Leases:
    """The addresses of one pool: its reservations for good, and what is leased for now.

    Not thread-safe; finding the next address costs a constant amount of work on average.
    """

    def __init__(self, pool: Pool, leased: Iterable[Address] = ()) -> None:
        self.pool = pool
        self._reserved = frozenset(int(address) for address in reserved(pool))
        self._leased = {int(address) for address in leased if address in pool.subnet}
        self._first, self._last = bounds(pool.ip_range or pool.subnet)
        self._next = self._first

    def take_next(self) -> Address:
        """Lease the lowest free address; raises Unavailable with Docker's text when there is none."""
        number = self._next
        while number <= self._last and (number in self._leased or number in self._reserved):
            number += 1
        if number > self._last:
            self._next = number
            raise Unavailable("no available addresses on this pool")
        self._leased.add(number)
        self._next = number + 1
        return _address(self.pool.subnet, number)

    def take(self, address: Address) -> Address:
        """Lease one address, anywhere in the subnet; raises InvalidParameter or Forbidden."""
        if address not in self.pool.subnet:
            raise InvalidParameter("requested address is out of range")
        if int(address) in self._leased or int(address) in self._reserved:
            raise Forbidden("Address already in use")
        self._leased.add(int(address))
        return address

    def release(self, address: Address) -> None:
        """Take an address back; one that was free is no error."""
        self._leased.discard(int(address))
        if self._first <= int(address) < self._next:
            self._next = int(address)

    def leased(self) -> list[Address]:
        """Return what is leased, lowest first."""
        return [_address(self.pool.subnet, number) for number in sorted(self._leased)]

    def available(self) -> int:
        """Return how many addresses are left for dynamic allocation."""
        inside = {n for n in self._leased | self._reserved if self._first <= n <= self._last}
        return self._last - self._first + 1 - len(inside)


def _address(subnet: Subnet, number: int) -> Address:
    return IPv4Address(number) if subnet.version == 4 else IPv6Address(number)


def bounds(subnet: Subnet) -> tuple[int, int]:
    """Return the first and the last address of a prefix as numbers."""
    return int(subnet.network_address), int(subnet.broadcast_address)


def reserved(pool: Pool) -> set[Address]:
    """Return what is never given to an endpoint: network and broadcast address, gateway, auxiliary addresses.

    A /31, /32, /127 or /128 has neither network nor broadcast address (RFC 3021, RFC 6164); IPv6 has no
    broadcast, but the subnet-router anycast address (RFC 4291).
    """
    subnet = pool.subnet
    kept: set[Address] = {address for _, address in pool.auxiliary}
    if pool.gateway is not None:
        kept.add(pool.gateway)
    if subnet.prefixlen < subnet.max_prefixlen - 1:
        kept.add(subnet.network_address)
        if subnet.version == 4:
            kept.add(subnet.broadcast_address)
    return kept


def default_gateway(pool: Pool) -> Address:
    """Return the gateway of a pool that names none: its first free address, in the ip-range if it has one.

    Raises Unavailable with Docker's text when every address is reserved.
    """
    return Leases(pool).take_next()
