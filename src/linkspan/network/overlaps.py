"""A subnet that the user names must not take addresses away from the host: its routes are looked at first.

Docker does not look: the network is made, and what the route led to cannot be reached any more. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from linkspan.kernel.ways import Way
from linkspan.model.addresses import Subnet
from linkspan.model.errors import Forbidden
from linkspan.model.network import Network
from linkspan.network.options import bridge_options

#: A network with this option may have a subnet that the host has a route into.
ALLOWED = "com.linkspan.network.allow_route_overlap"

_HALVES = 1  # bits of the prefixes that VPNs use in place of a default route


def refuse_overlaps(network: Network, ways: Iterable[Way]) -> None:
    """Raise Forbidden, naming the route, if a subnet of a new bridge network overlaps one of the host's.

    Default routes (and their two halves) do not count, nor do routes over the network's own bridge.
    """
    for subnet, way in collisions(network, ways):
        raise Forbidden(
            f"invalid pool request: subnet {subnet} overlaps with a route of this host ({way}):"
            " what it leads to could not be reached any more; choose another subnet, or allow it with"
            f" -o {ALLOWED}=true"
        )


def collisions(network: Network, ways: Iterable[Way]) -> Iterator[tuple[Subnet, Way]]:
    """Yield the routes that lead into a subnet of a bridge network, unless the network allows it."""
    if network.option(ALLOWED) in ("1", "true"):
        return
    known = list(ways)
    for subnet in _bridged(network):
        for way in known:
            if way.link != network.bridge and _collide(subnet, way):
                yield subnet, way


def _bridged(network: Network) -> Iterator[Subnet]:
    """Yield the subnets that the host itself will have a route to."""
    options = bridge_options(network)
    for pool in network.pools:
        version = pool.subnet.version
        addressed = options.mode(version) != "isolated" and not (options.inhibit_ipv4 and version == 4)
        if network.driver == "bridge" and addressed:
            yield pool.subnet


def _collide(subnet: Subnet, way: Way) -> bool:
    destination = way.destination
    return (
        destination.version == subnet.version
        and destination.prefixlen > _HALVES
        and destination.overlaps(subnet)
    )
