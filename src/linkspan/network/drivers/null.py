"""The null driver: a namespace of the container's own with lo in it and no way out."""

from __future__ import annotations

from linkspan.blueprint.facts import Fact
from linkspan.blueprint.parts import Part
from linkspan.model.network import Endpoint, Network
from linkspan.network.settings import NetworkSettings


def network_parts(network: Network, settings: NetworkSettings) -> tuple[Part, ...]:
    """Return nothing: the network is the absence of one."""
    return ()


def network_facts(network: Network, settings: NetworkSettings) -> tuple[Fact, ...]:
    """Return nothing: there is no packet to filter."""
    return ()


def endpoint_parts(network: Network, endpoint: Endpoint, settings: NetworkSettings) -> tuple[Part, ...]:
    """Return nothing: a sandbox comes with lo up."""
    return ()


def endpoint_facts(network: Network, endpoint: Endpoint, settings: NetworkSettings) -> tuple[Fact, ...]:
    """Return nothing: there is no address to guard."""
    return ()
