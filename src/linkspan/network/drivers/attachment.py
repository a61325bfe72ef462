"""What every interface in a sandbox has, whatever it is plugged into: addresses, settings, a route. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface, ip_network

from linkspan.blueprint.announcements import Announcement
from linkspan.blueprint.parts import Address, Part, Route, Sysctl
from linkspan.model.addresses import Interface, Subnet
from linkspan.model.network import Endpoint, Network
from linkspan.network.options import ENDPOINT_SYSCTLS, bridge_options
from linkspan.network.rates import shapers

ANYWHERE: dict[int, Subnet] = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}


def inner_parts(endpoint: Endpoint) -> tuple[Part, ...]:
    """Return what belongs on an endpoint's interface: IPv6 or none of it, addresses, sysctls, rates."""
    link, sandbox = endpoint.link, endpoint.sandbox
    return (
        Sysctl(f"net.ipv6.conf.{link}.disable_ipv6", "0" if endpoint.ipv6 else "1", sandbox, needed=False),
        *(Address(link, interface, sandbox) for interface in _interfaces(endpoint)),
        *_endpoint_sysctls(endpoint),
        *shapers(endpoint),
    )


def _interfaces(endpoint: Endpoint) -> Iterator[Interface]:
    yield from (interface for interface in (endpoint.ipv4, endpoint.ipv6) if interface is not None)
    for address in endpoint.config.link_local:
        yield ip_interface(f"{address}/{16 if address.version == 4 else 64}")


def _endpoint_sysctls(endpoint: Endpoint) -> Iterator[Sysctl]:
    text = dict(endpoint.config.driver_opts).get(ENDPOINT_SYSCTLS, "")
    for assignment in filter(None, text.split(",")):
        key, _, value = assignment.partition("=")
        named = key.replace("IFNAME", endpoint.link).replace("ifname", endpoint.link)
        yield Sysctl(named, value, endpoint.sandbox)


def announcement(network: Network, endpoint: Endpoint) -> Announcement:
    """Return what a new endpoint tells its neighbours."""
    options = bridge_options(network)
    return Announcement(
        endpoint.sandbox,
        endpoint.link,
        endpoint.mac,
        tuple(interface.ip for interface in (endpoint.ipv4, endpoint.ipv6) if interface is not None),
        options.advertise,
        options.advertise_interval,
    )


def default_route(endpoint: Endpoint, version: int) -> Route:
    """Return the default route of one family through an endpoint's gateway."""
    if endpoint.link_routed:
        return Route(endpoint.link, destination=ANYWHERE[version], sandbox=endpoint.sandbox)
    gateway = endpoint.gateway4 if version == 4 else endpoint.gateway6
    return Route(endpoint.link, gateway, sandbox=endpoint.sandbox)
