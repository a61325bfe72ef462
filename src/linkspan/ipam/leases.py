"""Leases: which addresses of a network's pools of one family are given out, and which one is next.

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

    `further` are other pools of the same network and family (macvlan may have several): when one is full the
    next one goes on. They do not overlap.

    `claims` says who wants an address for good, the first one to ask in front: dynamic allocation passes over
    it. Not thread-safe; finding the next address costs a constant amount of work on average.
    """

    def __init__(
        self,
        pool: Pool,
        leased: Iterable[Address] = (),
        claims: dict[int, list[str]] | None = None,
        further: tuple[Pool, ...] = (),
    ) -> None:
        self.pools = (pool, *further)
        self.claims = {} if claims is None else claims
        self._version = pool.subnet.version
        self._reserved = frozenset(int(address) for each in self.pools for address in reserved(each))
        self._leased = {int(address) for address in leased if self._pool_of(address) is not None}
        self._bounds = [bounds(each.ip_range or each.subnet) for each in self.pools]
        self._next = [first for first, _ in self._bounds]

    def _pool_of(self, address: Address) -> Pool | None:
        return next((pool for pool in self.pools if address in pool.subnet), None)

    def take_next(self) -> Address:
        """Lease the lowest free address; raises Unavailable with Docker's text when there is none."""
        for index, (_, last) in enumerate(self._bounds):
            number = self._next[index]
            while number <= last and not self._is_free(number):
                number += 1
            self._next[index] = number
            if number <= last:
                self._next[index] = number + 1
                self._leased.add(number)
                return _address(self._version, number)
        raise Unavailable("no available addresses on this pool")

    def _is_free(self, number: int) -> bool:
        return number not in self._leased and number not in self._reserved and number not in self.claims

    def take(self, address: Address, owner: str = "") -> Address:
        """Lease one address, anywhere in a subnet, to `owner`; raises InvalidParameter or Forbidden."""
        if self._pool_of(address) is None:
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
        for index, (first, _) in enumerate(self._bounds):
            if first <= number < self._next[index]:
                self._next[index] = number

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
        return [_address(self._version, number) for number in sorted(self._leased)]

    def available(self, pool: Pool | None = None) -> int:
        """Return how many addresses are left for dynamic allocation, in one pool or in all of them."""
        if pool is None:
            return sum(map(self.available, self.pools))
        first, last = bounds(pool.ip_range or pool.subnet)
        taken = self._leased | self._reserved | set(self.claims)
        return last - first + 1 - sum(first <= number <= last for number in taken)


def _address(version: int, number: int) -> Address:
    return IPv4Address(number) if version == 4 else IPv6Address(number)


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
