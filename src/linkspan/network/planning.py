"""Endpoint plans: which network, address, names and MAC an endpoint gets, before the kernel is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any

from linkspan.ipam.leases import reserved
from linkspan.model.addresses import Address, Interface
from linkspan.model.errors import Forbidden
from linkspan.model.network import Endpoint, EndpointConfig, EndpointRequest, Network, Pool
from linkspan.model.sandbox import ContainerIdentity, Sandbox, SandboxRequest
from linkspan.network import names
from linkspan.network.dhcp import Dhcp, steady_mac
from linkspan.network.drivers import is_remote
from linkspan.network.drivers.lan import is_dhcp
from linkspan.network.faces import ways
from linkspan.network.options import ENDPOINT_IFNAME, ENDPOINT_MAC, bridge_options
from linkspan.network.parent_options import DRIVERS, PARENT, parent_options
from linkspan.network.predefined import is_predefined
from linkspan.network.registry import Registry, addresses
from linkspan.network.remote.ipam_driver import BUILT_IN
from linkspan.network.remote.port_labels import port_labels
from linkspan.network.remote.remote import Remote
from linkspan.network.reservations import Reservations
from linkspan.network.undo import Undo, attempt_all

Endpoints = tuple[Endpoint, ...]

DEFAULT_GATEWAY = {4: "DefaultGatewayIPv4", 6: "DefaultGatewayIPv6"}


def dns_names(container: ContainerIdentity, config: EndpointConfig) -> tuple[str, ...]:
    """Return the names a container answers to: its own, aliases, short id, hostname, full hostname."""
    host, domain = container.hostname, container.domainname
    full = f"{host}.{domain}" if host and domain else ""
    wanted = (container.name, *config.aliases, container.id[:12], host, full)
    return tuple(dict.fromkeys(name for name in wanted if name))


def _mac(network: Network, config: EndpointConfig, container_id: str) -> str:
    """Return the MAC address of a new endpoint; "" leaves it to a plugin."""
    if network.driver in ("host", "null"):
        return ""
    chosen = _inherited_mac(network) or config.mac or dict(config.driver_opts).get(ENDPOINT_MAC, "")
    if not chosen and is_dhcp(network):
        return steady_mac(container_id, network)
    return chosen or ("" if is_remote(network.driver) else names.random_mac())


def _inherited_mac(network: Network) -> str:
    """Return the parent's MAC address where endpoints cannot have one of their own, else ""."""
    if network.driver not in DRIVERS:
        return ""
    shared = network.driver == "ipvlan" or parent_options(network).mode == "passthru"
    return network.parent_mac if shared else ""


def chosen_name(config: EndpointConfig) -> str:
    """Return the interface name that an endpoint asks for, "" for any."""
    return dict(config.driver_opts).get(ENDPOINT_IFNAME, "")


class Planner:
    """Reserves what an endpoint needs in the registry."""

    def __init__(self, registry: Registry, reservations: Reservations, remote: Remote, dhcp: Dhcp) -> None:
        self._registry = registry
        self._reservations = reservations
        self._remote = remote
        self._dhcp = dhcp

    def plan(
        self,
        container: ContainerIdentity,
        request: EndpointRequest,
        sandbox: str,
        links: set[str],
        undo: Undo,
    ) -> Endpoint:
        """Return a new endpoint with its addresses leased in memory and its membership counted.

        `links` are the interface names taken in the sandbox, or asked for by its endpoints; the new one is
        added. Raises as the leases do.
        """
        network = self._registry.find(request.network)
        endpoint = Endpoint(
            id=names.new_id(),
            network_id=network.id,
            network_name=network.name,
            container_id=container.id,
            container_name=container.name,
            sandbox=sandbox,
            mac=_mac(network, request.config, container.id),
            config=request.config,
        )
        given = self._remote.addresses(network, endpoint, undo)
        if is_dhcp(network):
            self._require_room(network)
            endpoint = self._dhcp.lease(network, endpoint, container.hostname)
        with self._registry.lock:
            self._registry.find(network.id)  # it may have gone meanwhile
            if network.driver not in ("host", "null"):
                self._require_room(network)
                endpoint = self._attached(network, endpoint, container, links, given, undo)
            self._registry.add_member(endpoint)
            undo.push(self._registry.drop_member, endpoint)
        return endpoint

    def _attached(
        self,
        network: Network,
        endpoint: Endpoint,
        container: ContainerIdentity,
        links: set[str],
        given: Mapping[int, Interface],
        undo: Undo,
    ) -> Endpoint:
        config = endpoint.config
        link = chosen_name(config)
        if not link and not is_remote(network.driver):
            link = names.interface(bridge_options(network).interface_prefix, links)
        links.add(link)
        parented = network.driver in DRIVERS
        ipv4 = self._lease(network, 4, config.ipv4, container.id, given, undo)
        ipv6 = self._lease(network, 6, config.ipv6, container.id, given, undo)
        return replace(
            endpoint,
            link=link,
            host_link=names.host_link(self._registry.host_links) if network.driver == "bridge" else "",
            ipv4=ipv4 or endpoint.ipv4,
            ipv6=ipv6,
            gateway4=gateway(network, 4, ipv4) or endpoint.gateway4,
            gateway6=gateway(network, 6, ipv6),
            link_routed=parented and parent_options(network).routed,
            dns_names=() if is_predefined(network) else dns_names(container, config),
        )

    def _require_room(self, network: Network) -> None:
        """Refuse a second endpoint in passthru mode, which the kernel would refuse with less of a reason."""
        if network.driver != "macvlan" or parent_options(network).mode != "passthru":
            return
        for other in self._registry.members(network.id):
            raise Forbidden(
                f"network {network.name} is in macvlan passthru mode, where a parent carries one endpoint:"
                f" it is that of container {other.container_name}"
            )

    def _lease(
        self,
        network: Network,
        version: int,
        wanted: Address | None,
        container: str,
        given: Mapping[int, Interface],
        undo: Undo,
    ) -> Any:
        pool = network.pool(version)
        if pool is None:
            return None
        if network.ipam_driver not in BUILT_IN and version not in given:
            return None
        if (chosen := given.get(version)) is not None:
            wanted = chosen.ip
        leases = self._registry.leases(network.id, version)
        try:
            address = leases.take(wanted, container) if wanted is not None else leases.take_next()
        except Forbidden as error:
            holder = _reserved(network, wanted) or self._holder(network, wanted)
            raise Forbidden(f"{error} (by {holder})" if holder else str(error)) from error
        undo.push(self._registry.give_back, network.id, address)
        return chosen if chosen is not None else interface(address, network.pool_of(address) or pool)

    def _holder(self, network: Network, wanted: Address | None) -> str:
        name = self._reservations.holder(network.id, wanted) if wanted is not None else ""
        return f"container {name}" if name else ""

    def attach(
        self, endpoint: Endpoint, links: set[str], asked: SandboxRequest | Sandbox, undo: Undo
    ) -> Endpoint:
        """Let a remote driver make the endpoint in its sandbox; others' endpoints come back as they are.

        `asked` is what the container publishes and exposes: the driver is told.
        """
        network = self._registry.by_id(endpoint.network_id)
        ports = port_labels(asked.publish, asked.exposed)
        attached = self._remote.attach(network, endpoint, links, ports, undo)
        if attached != endpoint:
            self._registry.add_member(attached)
        return attached

    def keep(self, endpoints: tuple[Endpoint, ...], container: ContainerIdentity, undo: Undo) -> None:
        """Have the leases that a DHCP server gave renewed, for endpoints whose links are made."""
        self._dhcp.keep(endpoints, container.hostname, undo)

    def keep_again(self) -> list[Exception]:
        """Have what stands renewed after a start of the daemon, and nothing else; returns what failed."""
        return self._dhcp.recover(self._registry.sandboxes())

    def let_go(self, endpoint: Endpoint) -> None:
        """Give back what a DHCP server gave an endpoint, before its link goes."""
        network = self._registry.known(endpoint.network_id)
        if network is None or is_dhcp(network):
            self._dhcp.release(endpoint)

    def is_foreign(self, endpoint: Endpoint) -> bool:
        """Tell whether a plugin makes the endpoint: then its sandbox must exist before `attach`."""
        return is_remote(self._registry.by_id(endpoint.network_id).driver)

    def turn(self, sandbox: Sandbox, before: Endpoints, after: Endpoints, undo: Undo | None = None) -> None:
        """Tell remote drivers whose endpoints lead out of a sandbox now, and whose do no more.

        `before` and `after` are the sandbox's endpoints. Raises what the drivers refuse.
        """
        old, new = ways(before), ways(after)
        for endpoint in {endpoint.id: endpoint for endpoint in (*before, *after)}.values():
            network = self._registry.known(endpoint.network_id)
            if network is not None and is_remote(network.driver):
                tell = partial(
                    self._remote.turn, network, endpoint, port_labels(sandbox.publish, sandbox.exposed)
                )
                tell(old, new)
                if undo is not None:
                    undo.push(tell, new, old)

    def detach(self, endpoint: Endpoint) -> None:
        """Let plugins take down their part of an endpoint whose link has left the sandbox, and its addresses.

        Raises an ExceptionGroup after everything was tried.
        """
        if (network := self._registry.known(endpoint.network_id)) is None:
            return
        steps = [partial(self._remote.detach, network, endpoint)]
        steps += [partial(self._remote.give_back, network, address) for address in addresses(endpoint)]
        if problems := attempt_all(steps):
            raise ExceptionGroup(f"detaching {endpoint.container_name} from {network.name}", problems)

    def write_leases(self, endpoint: Endpoint) -> None:
        """Write the leases of an endpoint to the store; inside a transaction of the store."""
        for address in addresses(endpoint):
            self._registry.store.lease(endpoint.network_id, address, endpoint.id)

    def erase_leases(self, endpoint: Endpoint) -> None:
        """Strike out the leases of an endpoint in the store; inside a transaction of the store."""
        for address in addresses(endpoint):
            self._registry.store.release(endpoint.network_id, address)


def _reserved(network: Network, address: Address | None) -> str:
    """Return what a network keeps an address for itself as, "" for one that containers may have."""
    for pool in network.pools:
        if address is not None and address == pool.gateway:
            return f"the gateway of network {network.name}"
        for name, kept in pool.auxiliary:
            if address == kept:
                return f"the auxiliary address {name} of network {network.name}"
        if address in reserved(pool):
            return f"network {network.name} itself: it is the first or the last of {pool.subnet}"
    return ""


def interface(address: Address, pool: Pool) -> IPv4Interface | IPv6Interface:
    """Return an address with its pool's prefix length."""
    if isinstance(address, IPv4Address):
        return IPv4Interface((address, pool.subnet.prefixlen))
    return IPv6Interface((address, pool.subnet.prefixlen))


def gateway(network: Network, version: int, own: Interface | None) -> Any:
    """Return the gateway of a container with the address `own`.

    It is an auxiliary address of that name, or the bridge's, of the subnet that the address is in.
    """
    pool = network.pool(version) if own is None else network.pool_of(own.ip)
    if pool is None or network.internal or (network.driver in DRIVERS and not network.option(PARENT)):
        return None
    found: IPv4Address | IPv6Address | None = dict(pool.auxiliary).get(DEFAULT_GATEWAY[version], pool.gateway)
    return found
