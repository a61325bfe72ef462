"""Faces: the endpoints that carry a sandbox's published ports, one for host addresses of each family.

As in Docker 28 a family's ports are mapped on the endpoint with its default route. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from linkspan.model.network import Endpoint, Network
from linkspan.model.sandbox import Sandbox
from linkspan.network import gateway
from linkspan.network.drivers.lan import is_dhcp


@dataclass(frozen=True, slots=True)
class Face:
    """An endpoint and its network, which is a bridge: the others have no host ports, nor has a LAN itself."""

    network: Network
    endpoint: Endpoint


Faces = Mapping[int, Face]


def faces(sandbox: Sandbox, network: Callable[[str], Network]) -> Faces:
    """Return the faces of a sandbox by the family of host addresses; `network` finds one by its id."""
    found = {}
    for version in (4, 6):
        if (endpoint := sandbox.gateway_of(version)) is None:
            continue
        owner = network(endpoint.network_id)
        if owner.driver == "bridge" and not is_dhcp(owner):
            found[version] = Face(owner, endpoint)
    return found


def ways(endpoints: Collection[Endpoint]) -> tuple[str, str]:
    """Return the ids of the endpoints with the default routes of IPv4 and IPv6, "" where there is none."""
    four, six = gateway.choose(endpoints, 4), gateway.choose(endpoints, 6)
    return four.id if four is not None else "", six.id if six is not None else ""


def gateways(endpoints: tuple[Endpoint, ...]) -> tuple[str, str]:
    """Return the ids of the endpoints that carry the ports: the one for all, and IPv6's own ("" if none)."""
    four, six = gateway.choose(endpoints, 4), gateway.choose(endpoints, 6)
    first = four or six
    own = six.id if six is not None and first is not None and six.id != first.id else ""
    return first.id if first is not None else "", own
