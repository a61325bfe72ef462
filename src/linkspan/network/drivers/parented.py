"""The macvlan and ipvlan drivers: endpoints are links on a parent of the host. Pure.

Traffic does not cross the host's IP layer, so there is nothing to filter, to translate or to publish. Without
a parent the endpoints share the end of a veth pair that leads nowhere (Docker takes a dummy link for that).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface, ip_network

from linkspan.blueprint.facts import Fact
from linkspan.blueprint.parts import Address, Part, Route, SubLink, Sysctl, VethPair
from linkspan.model.network import Endpoint, Network
from linkspan.network.drivers.attachment import inner_parts
from linkspan.network.names import endpoint_owner, network_owner
from linkspan.network.options import MTU, bridge_options
from linkspan.network.parent_options import HOST, parent_link, parent_options, shim_link
from linkspan.network.settings import NetworkSettings


def network_parts(network: Network, settings: NetworkSettings) -> tuple[Part, ...]:
    """Return the parent, unless it was there before, and the host's own link on the network, if wanted."""
    return (*_parent(network), *_shim(network))


def _parent(network: Network) -> Iterator[Part]:
    options, owner = parent_options(network), network_owner(network.id)
    if not options.parent:
        stub = parent_link(network)
        yield VethPair(stub, stub.replace("dm-", "dp-"), "", "", mtu=bridge_options(network).mtu, owner=owner)
    elif options.lower and not network.adopted:
        yield SubLink("vlan", options.parent, options.lower, mode=str(options.vlan), owner=owner)


def _shim(network: Network) -> Iterator[Part]:
    addresses = [a for pool in network.pools for name, a in pool.auxiliary if name == HOST]
    if not (parent_options(network).host_address and addresses):
        return
    link = shim_link(network)
    yield SubLink("macvlan", link, parent_link(network), mode="bridge", owner=network_owner(network.id))
    yield Sysctl(f"net.ipv6.conf.{link}.accept_ra", "0", needed=False)
    if not network.enable_ipv6:
        yield Sysctl(f"net.ipv6.conf.{link}.disable_ipv6", "1", needed=False)
    for address in addresses:
        yield Address(link, ip_interface(f"{address}/{address.max_prefixlen}"))


def network_facts(network: Network, settings: NetworkSettings) -> tuple[Fact, ...]:
    """Return nothing: packets do not pass the host's filter."""
    return ()


def endpoint_parts(network: Network, endpoint: Endpoint, settings: NetworkSettings) -> tuple[Part, ...]:
    """Return the endpoint's link with what belongs on it, and the host's way to it if the host has a link."""
    options = parent_options(network)
    inherited = network.driver == "ipvlan" or options.mode == "passthru"
    link = SubLink(
        network.driver,
        endpoint.link,
        parent_link(network),
        endpoint.sandbox,
        options.mode,
        options.flag,
        mac="" if inherited else endpoint.mac,
        mtu=bridge_options(network).mtu if network.option(MTU) else 0,
        owner=endpoint_owner(endpoint.id, endpoint.container_name),
    )
    return (link, *inner_parts(endpoint), *_ways_of_the_host(network, endpoint))


def _ways_of_the_host(network: Network, endpoint: Endpoint) -> Iterator[Route]:
    shimmed = {pool.subnet.version for pool in network.pools for name, _ in pool.auxiliary if name == HOST}
    for interface in (endpoint.ipv4, endpoint.ipv6):
        if interface is not None and interface.version in shimmed:
            yield Route(shim_link(network), destination=ip_network(interface.ip))


def endpoint_facts(network: Network, endpoint: Endpoint, settings: NetworkSettings) -> tuple[Fact, ...]:
    """Return nothing: packets do not pass the host's filter."""
    return ()
