"""Remote drivers: the plugin's link of the host is moved into the sandbox and set up there. Pure."""

from __future__ import annotations

from linkspan.blueprint.facts import Fact
from linkspan.blueprint.parts import MovedLink, Part, Route
from linkspan.model.network import Endpoint, Network
from linkspan.network.drivers.attachment import inner_parts
from linkspan.network.settings import NetworkSettings


def network_parts(network: Network, settings: NetworkSettings) -> tuple[Part, ...]:
    """Return nothing: what a network is made of is the plugin's matter."""
    return ()


def network_facts(network: Network, settings: NetworkSettings) -> tuple[Fact, ...]:
    """Return nothing: filtering is the plugin's matter."""
    return ()


def endpoint_parts(network: Network, endpoint: Endpoint, settings: NetworkSettings) -> tuple[Part, ...]:
    """Return the link's move, what belongs on it, and the routes that the plugin named."""
    if not endpoint.source_link:
        return ()
    return (
        MovedLink(endpoint.source_link, endpoint.link, endpoint.sandbox, endpoint.mac),
        *inner_parts(endpoint),
        *(
            Route(endpoint.link, route.gateway, route.destination, endpoint.sandbox)
            for route in endpoint.routes
        ),
    )


def endpoint_facts(network: Network, endpoint: Endpoint, settings: NetworkSettings) -> tuple[Fact, ...]:
    """Return nothing: filtering is the plugin's matter."""
    return ()
