"""The host driver: the container stays in the daemon's own namespace, so the kernel needs nothing."""

from __future__ import annotations

from linkspan.blueprint.facts import Fact
from linkspan.blueprint.parts import Part
from linkspan.model.network import Endpoint, Network
from linkspan.network.settings import NetworkSettings


def network_parts(network: Network, settings: NetworkSettings) -> tuple[Part, ...]:
    """Return nothing: the host's links are the host's."""
    return ()


def network_facts(network: Network, settings: NetworkSettings) -> tuple[Fact, ...]:
    """Return nothing: published ports mean nothing in this mode."""
    return ()


def endpoint_parts(network: Network, endpoint: Endpoint, settings: NetworkSettings) -> tuple[Part, ...]:
    """Return nothing: there is no link of the container's own."""
    return ()


def endpoint_facts(network: Network, endpoint: Endpoint, settings: NetworkSettings) -> tuple[Fact, ...]:
    """Return nothing: the container's addresses are the host's."""
    return ()
