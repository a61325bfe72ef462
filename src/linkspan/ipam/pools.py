"""Address pools: where the subnets of networks without a given subnet come from, and how one is chosen.

Docker's default pools, in Docker's order: 172.17.0.0/16 … 172.31.0.0/16, then 192.168.0.0/16 cut in /20.
They end after 31 networks, so here smaller subnets of the other private ranges (RFC 1918) follow. The upper
half of 10.0.0.0/8 comes before the lower, where more companies and VPNs have their networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from linkspan.model.addresses import Subnet
from linkspan.model.errors import Forbidden, InvalidParameter


@dataclass(frozen=True, slots=True)
class AddressPool:
    """A block that is cut into subnets of `size` bits (Docker's `--default-address-pool base=…,size=…`)."""

    base: Subnet
    size: int

    def subnets(self) -> Iterator[Subnet]:
        """Yield the pool's subnets in order; they are made one at a time, so a /8 costs nothing."""
        yield from self.base.subnets(new_prefix=self.size)


DOCKER_POOLS: tuple[AddressPool, ...] = (
    *(AddressPool(IPv4Network(f"172.{second}.0.0/16"), 16) for second in range(17, 32)),
    AddressPool(IPv4Network("192.168.0.0/16"), 20),
)

DEFAULT_POOLS: tuple[AddressPool, ...] = (
    *DOCKER_POOLS,
    *(AddressPool(IPv4Network(base), 24) for base in ("10.128.0.0/9", "172.16.0.0/16", "10.0.0.0/9")),
)


def choose(taken: Iterable[Subnet], pools: Iterable[AddressPool], version: int = 4) -> Subnet:
    """Return the first subnet of the pools that overlaps none of `taken` (other networks, host routes).

    Raises InvalidParameter with Docker's text, the pools and the remedy when nothing is left.
    """
    offered = [pool for pool in pools if pool.base.version == version]
    busy = sorted(
        (int(subnet.network_address), int(subnet.broadcast_address))
        for subnet in taken
        if subnet.version == version
    )
    for pool in offered:
        if (found := _first_free(pool, busy)) is not None:
            return found
    raise InvalidParameter(_exhausted(offered, version))


def _first_free(pool: AddressPool, busy: list[tuple[int, int]]) -> Subnet | None:
    """Walk the pool and the busy blocks (first and last address, sorted) side by side, once."""
    step = 1 << (pool.base.max_prefixlen - pool.size)
    first, end = int(pool.base.network_address), int(pool.base.broadcast_address)
    for low, high in busy:
        if low >= first + step:
            break
        if high >= first:
            first = (high // step + 1) * step
    return _subnet(pool.base.version, first, pool.size) if first <= end else None


def _exhausted(pools: list[AddressPool], version: int) -> str:
    listed = ", ".join(f"{pool.base} in /{pool.size}" for pool in pools) or f"none for IPv{version}"
    example = "10.200.0.0/16,size=24" if version == 4 else "fd00:200::/48,size=64"
    return (
        f"all predefined address pools have been fully subnetted: every subnet of the pools ({listed}) is in"
        " use by a network, a route or a name server of this host; remove networks that nobody needs (docker"
        " network prune), name a subnet (--subnet), or give the daemon further pools"
        f" (--default-address-pool base={example})"
    )


def _subnet(version: int, first: int, size: int) -> Subnet:
    return IPv4Network((first, size)) if version == 4 else IPv6Network((first, size))


def choose_of_size(size: int, taken: Iterable[Subnet], pools: Iterable[AddressPool], version: int) -> Subnet:
    """As `choose`, for a subnet of `size` bits ("0.0.0.0/24" in a request means "any /24")."""
    cut = [AddressPool(pool.base, max(size, pool.base.prefixlen)) for pool in pools]
    return choose(taken, [pool for pool in cut if pool.size == size], version)


def ula_pool(seed: bytes) -> AddressPool:
    """Return the IPv6 pool of this daemon: /64s in a /48 under fd00::/8 (RFC 4193).

    The 40 bits of the global id are the first five bytes of `seed`, which stays the same for a daemon.
    """
    prefix = b"\xfd" + seed[:5].ljust(5, b"\0") + bytes(10)
    return AddressPool(IPv6Network((int.from_bytes(prefix, "big"), 48)), 64)


def require_free(wanted: Subnet, networks: Iterable[Subnet]) -> None:
    """Raise Forbidden with Docker's text if a subnet asked for overlaps that of another network."""
    if any(wanted.overlaps(other) for other in networks if other.version == wanted.version):
        raise Forbidden("invalid pool request: Pool overlaps with other one on this address space")


def parse_pool(text: str) -> AddressPool:
    """Parse Docker's "base=10.0.0.0/8,size=24"; raises InvalidParameter."""
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    try:
        base, size = ip_network(fields["base"]), int(fields["size"])
    except (KeyError, ValueError) as error:
        raise InvalidParameter(f"invalid argument {text!r} for default-address-pool: {error}") from error
    if not base.prefixlen <= size <= base.max_prefixlen:
        raise InvalidParameter(f"invalid default-address-pool {text}: size {size} does not fit in {base}")
    return AddressPool(base, size)
