"""The bridge driver: from a network and an endpoint to links, addresses, routes, sysctls and firewall facts.

Pure: nothing here asks the kernel. Source of the layout: Docker 28's bridge driver.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface

from linkspan.blueprint.facts import DirectAccessDrop, Fact, Fence, Hairpin, Masquerade, SkipOwnBridge
from linkspan.blueprint.parts import Address, Bridge, LinkUp, Part, Sysctl, VethPair
from linkspan.model.addresses import Interface
from linkspan.model.network import Endpoint, Network, Pool
from linkspan.network.drivers.attachment import inner_parts
from linkspan.network.drivers.lan import is_dhcp
from linkspan.network.egress import egress_list
from linkspan.network.names import bridge_mac, endpoint_owner, network_owner
from linkspan.network.options import BridgeOptions, bridge_options
from linkspan.network.settings import NetworkSettings

LINK_LOCAL = ip_interface("fe80::1/64")


def network_parts(network: Network, settings: NetworkSettings) -> tuple[Part, ...]:
    """Return the bridge of a network with its sysctls and its own addresses."""
    options = bridge_options(network)
    return (
        Bridge(
            network.bridge,
            mtu=options.mtu,
            mac="" if network.adopted else bridge_mac(network.id),
            adopted=network.adopted,
            owner=network_owner(network.id),
        ),
        *([LinkUp(network.bridge)] if network.adopted else []),
        *_bridge_sysctls(network, options, settings),
        *(
            Address(network.bridge, interface)
            for interface in bridge_addresses(network)
            if interface not in network.foreign_addresses
        ),
    )


def _bridge_sysctls(network: Network, options: BridgeOptions, settings: NetworkSettings) -> Iterator[Sysctl]:
    yield Sysctl(f"net.ipv6.conf.{network.bridge}.accept_ra", "0", needed=False)
    if not settings.userland_proxy:
        yield Sysctl(f"net.ipv4.conf.{network.bridge}.route_localnet", "1")
    if not (options.icc and settings.userland_proxy):
        needed = not (options.icc or settings.bridge_filter_optional)
        yield Sysctl("net.bridge.bridge-nf-call-iptables", "1", needed=needed)
        if network.enable_ipv6:
            yield Sysctl("net.bridge.bridge-nf-call-ip6tables", "1", needed=needed)
    if network.enable_ipv6 and settings.ip_forward:
        yield Sysctl("net.ipv6.conf.default.forwarding", "1")
        yield Sysctl("net.ipv6.conf.all.forwarding", "1")
    if network.enable_ipv6 and options.mode(6) == "isolated":
        # Without it the bridge would have a link-local address, and the host would be a neighbour.
        yield Sysctl(f"net.ipv6.conf.{network.bridge}.disable_ipv6", "1", needed=False)


def bridge_addresses(network: Network) -> Iterator[Interface]:
    """Yield the addresses that the bridge itself has: the gateways, unless the options say otherwise.

    An IPv6 gateway comes with fe80::1, as in Docker: until some link-local address has passed its
    duplicate detection the kernel asks for no neighbour of a forwarded packet, and ours need no detection.
    """
    options = bridge_options(network)
    for pool in network.pools:
        version = pool.subnet.version
        inhibited = options.inhibit_ipv4 and version == 4
        if pool.gateway is not None and not inhibited and options.mode(version) != "isolated":
            if version == 6:
                yield LINK_LOCAL
            yield ip_interface(f"{pool.gateway}/{pool.subnet.prefixlen}")


def network_facts(network: Network, settings: NetworkSettings) -> tuple[Fact, ...]:
    """Return what the packet filter must know of a network, whatever is plugged into it."""
    options = bridge_options(network)
    return tuple(fact for pool in network.pools for fact in _pool_facts(network, pool, options, settings))


def _pool_facts(
    network: Network, pool: Pool, options: BridgeOptions, settings: NetworkSettings
) -> Iterator[Fact]:
    version = pool.subnet.version
    mode = options.mode(version)
    allowed = egress_list(dict(network.options))
    outward = None if allowed is None else allowed.of_family(version)
    yield Fence(network.bridge, pool.subnet, network.internal, options.icc, mode, outward)
    if not (settings.userland_proxy or network.internal) and mode in ("nat", "nat-unprotected"):
        yield Hairpin(pool.subnet, network.bridge)
    if network.internal or not options.masquerade or mode not in ("nat", "nat-unprotected"):
        return
    yield Masquerade(
        pool.subnet, network.bridge, source=options.source(version), from_host=not settings.userland_proxy
    )
    if settings.userland_proxy:
        yield SkipOwnBridge(network.bridge, version)


def endpoint_parts(network: Network, endpoint: Endpoint, settings: NetworkSettings) -> tuple[Part, ...]:
    """Return the veth pair of an endpoint and what belongs on its inner end; default routes are not here.

    Unlike Docker's, its addresses and routes are ours to say alone: a peer may advertise what it likes.
    """
    pair = VethPair(
        endpoint.host_link,
        endpoint.link,
        endpoint.sandbox,
        network.bridge,
        mac=endpoint.mac,
        mtu=bridge_options(network).mtu,
        hairpin=not settings.userland_proxy,
        owner=endpoint_owner(endpoint.id, endpoint.container_name),
    )
    key = f"net.ipv6.conf.{endpoint.link}.accept_ra"
    deaf = (Sysctl(key, "0", endpoint.sandbox, needed=False),) if endpoint.ipv6 else ()
    return (pair, *deaf, *inner_parts(endpoint))


def endpoint_facts(network: Network, endpoint: Endpoint, settings: NetworkSettings) -> tuple[Fact, ...]:
    """Return what the packet filter must know of an endpoint without any published port."""
    options = bridge_options(network)
    if network.internal or settings.allow_direct_routing or is_dhcp(network):
        return ()
    return tuple(
        DirectAccessDrop(interface.ip, network.bridge, options.trusted)
        for interface in (endpoint.ipv4, endpoint.ipv6)
        if interface is not None and options.mode(interface.version) == "nat"
    )
