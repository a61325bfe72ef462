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

    `claims` says who wants an address for good, the first one to ask in front: dynamic allocation passes over
    it. Not thread-safe; finding the next address costs a constant amount of work on average.
    """

    def __init__(
        self, pool: Pool, leased: Iterable[Address] = (), claims: dict[int, list[str]] | None = None
    ) -> None:
        self.pool = pool
        self.claims = {} if claims is None else claims
        self._reserved = frozenset(int(address) for address in reserved(pool))
        self._leased = {int(address) for address in leased if address in pool.subnet}
        self._first, self._last = bounds(pool.ip_range or pool.subnet)
        self._next = self._first

    def take_next(self) -> Address:
        """Lease the lowest free address; raises Unavailable with Docker's text when there is none."""
        number = self._next
        while number <= self._last and not self._is_free(number):
            number += 1
        if number > self._last:
            self._next = number
            raise Unavailable("no available addresses on this pool")
        self._leased.add(number)
        self._next = number + 1
        return _address(self.pool.subnet, number)

    def _is_free(self, number: int) -> bool:
        return number not in self._leased and number not in self._reserved and number not in self.claims

    def take(self, address: Address, owner: str = "") -> Address:
        """Lease one address, anywhere in the subnet, to `owner`; raises InvalidParameter or Forbidden."""
        if address not in self.pool.subnet:
            raise InvalidParameter("requested address is out of range")
        taken = int(address) in self._leased or int(address) in self._reserved
        if taken or self.claimant(address) not in ("", owner):
            raise Forbidden("Address already in use")
        self._leased.add(int(address))
        return address

    def release(self, address: Address) -> None:
        """Take an address back; one that was free is no error."""
        self._leased.discard(int(address))
        self._look_again(int(address))

    def _look_again(self, number: int) -> None:
        if self._first <= number < self._next:
            self._next = number

    def claim(self, address: Address, owner: str) -> None:
        """Keep an address for `owner`, behind those who have claimed it before."""
        claimants = self.claims.setdefault(int(address), [])
        if owner not in claimants:
            claimants.append(owner)

    def waive(self, address: Address, owner: str) -> None:
        """Take a claim back; one that was never made is no error."""
        left = [other for other in self.claims.pop(int(address), []) if other != owner]
        if left:
            self.claims[int(address)] = left
        self._look_again(int(address))

    def claimant(self, address: Address) -> str:
        """Return who may have an address, "" for anybody."""
        return next(iter(self.claims.get(int(address), ())), "")

    def leased(self) -> list[Address]:
        """Return what is leased, lowest first."""
        return [_address(self.pool.subnet, number) for number in sorted(self._leased)]

    def available(self) -> int:
        """Return how many addresses are left for dynamic allocation."""
        taken = self._leased | self._reserved | set(self.claims)
        inside = {number for number in taken if self._first <= number <= self._last}
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
