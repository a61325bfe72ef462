"""How full the subnets of a network are: what `docker network inspect` shows since API 1.52."""

from __future__ import annotations

from dataclasses import dataclass

from linkspan.ipam.leases import bounds, reserved
from linkspan.network.registry import Registry


@dataclass(frozen=True, slots=True)
class Occupancy:
    """`in_use`: addresses of a subnet that are taken or reserved; `available`: those left to choose from."""

    in_use: int
    available: int


def occupancy(registry: Registry, network_id: str) -> dict[str, Occupancy]:
    """Return the occupancy of each subnet of a network; {} for one without subnets, or one that is gone."""
    with registry.lock:
        network = registry.known(network_id)
        found: dict[str, Occupancy] = {}
        for pool in network.pools if network is not None else ():
            leases = registry.leases(network_id, pool.subnet.version)
            first, last = bounds(pool.subnet)
            taken = {int(address) for address in (*leases.leased(), *reserved(pool))} | set(leases.claims)
            inside = sum(first <= number <= last for number in taken)
            found[str(pool.subnet)] = Occupancy(inside, leases.available(pool))
        return found
