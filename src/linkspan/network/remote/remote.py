"""What remote drivers do for networks and endpoints, and nothing for others, so that callers need not ask."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from linkspan.model.addresses import Address, Interface
from linkspan.model.errors import InvalidParameter, NotFound
from linkspan.model.network import Endpoint, Network, NetworkSpec, Pool, PoolRequest
from linkspan.network.drivers import is_remote
from linkspan.network.drivers.lan import DHCP
from linkspan.network.remote.ipam_driver import BUILT_IN, RemoteIpam
from linkspan.network.remote.network_driver import RemoteNetworks
from linkspan.network.remote.plugins import Plugins
from linkspan.network.undo import Undo

Ways = tuple[str, str]


class Remote:
    """The plugins' part in the life of networks and endpoints; blocking: hold no lock while calling it."""

    def __init__(self, plugins: Plugins) -> None:
        self._networks = RemoteNetworks(plugins)
        self._ipam = RemoteIpam(plugins)

    def pools(self, spec: NetworkSpec, no_gateway: Collection[int], undo: Undo) -> tuple[Pool, ...] | None:
        """Return the pools that the IPAM driver gives; None when we choose them ourselves.

        In the families `no_gateway` a gateway is requested only if it was named.

        The null driver gives none, nor does dhcp: their networks have no addresses of ours.
        """
        if spec.ipam_driver == "null":
            if spec.driver == "bridge":
                raise InvalidParameter("ipv4 pool is empty")
            return ()
        if spec.ipam_driver == DHCP:
            return ()
        if spec.ipam_driver in BUILT_IN:
            return None
        found = []
        for version, enabled in ((4, spec.enable_ipv4), (6, spec.enable_ipv6)):
            if enabled:
                pool = self._requested(spec, version, version not in no_gateway)
                undo.push(self._ipam.release_pool, spec.ipam_driver, pool.id)
                found.append(pool)
        return tuple(found)

    def families_without_gateway(self, spec: NetworkSpec) -> frozenset[int]:
        """Return the families (4, 6) that a new network shall have no gateway in, unless one was named."""
        return self._networks.families_without_gateway(spec) if is_remote(spec.driver) else frozenset()

    def _requested(self, spec: NetworkSpec, version: int, gateway: bool) -> Pool:
        try:
            return self._ipam.request_pool(spec, _wish(spec, version), version, gateway)
        except NotFound as error:
            raise InvalidParameter(str(error)) from error

    def create(self, network: Network, undo: Undo) -> Network:
        """Let the plugin of a new network make it; returns the network with the plugin's scope."""
        if not is_remote(network.driver):
            return network
        network = replace(network, scope=self._networks.capabilities(network.driver).scope)
        self._networks.create(network)
        undo.push(self._networks.delete, network)
        return network

    def delete(self, network: Network) -> None:
        """Let the plugin of a network take it down."""
        if is_remote(network.driver):
            self._networks.delete(network)

    def release_pools(self, network: Network) -> None:
        """Give the pools of a network back to its IPAM plugin."""
        for pool in network.pools if network.ipam_driver not in BUILT_IN else ():
            self._ipam.release_pool(network.ipam_driver, pool.id)

    def addresses(self, network: Network, wanted: Endpoint, undo: Undo) -> dict[int, Interface]:
        """Return the addresses of a new endpoint by family, as its network's IPAM plugin gives them."""
        if network.ipam_driver in BUILT_IN:
            return {}
        driver = network.ipam_driver
        given: dict[int, Interface] = {}
        options = self._ipam.endpoint_options(driver, wanted.mac)
        for pool in network.pools:
            version = pool.subnet.version
            fixed = wanted.config.ipv4 if version == 4 else wanted.config.ipv6
            found = self._ipam.request_address(driver, pool.id, fixed, options)
            if found is not None:
                undo.push(self._ipam.release_address, driver, pool.id, found.ip)
                given[version] = found
        return given

    def give_back(self, network: Network, address: Address) -> None:
        """Give an address of an endpoint back to its network's IPAM plugin."""
        pool = network.pool(address.version)
        if pool is not None and network.ipam_driver not in BUILT_IN:
            self._ipam.release_address(network.ipam_driver, pool.id, address)

    def attach(
        self, network: Network, endpoint: Endpoint, taken: set[str], ports: dict[str, Any], undo: Undo
    ) -> Endpoint:
        """Let the plugin make the endpoint and join it to the sandbox, which must exist.

        `ports` are the container's port labels. Returns what has become of the endpoint.
        """
        if not is_remote(network.driver):
            return endpoint
        made = self._networks.create_endpoint(network, endpoint, ports)
        undo.push(self._networks.delete_endpoint, network, made)
        joined = self._networks.join(network, made, taken, ports)
        undo.push(self._networks.leave, network, joined)
        return joined

    def turn(
        self, network: Network, endpoint: Endpoint, ports: dict[str, Any], before: Ways, after: Ways
    ) -> None:
        """Tell the plugin that its endpoint has become its container's way out, or is it no more.

        `before` and `after` are the ids of the endpoints that lead out in IPv4 and in IPv6, "" for none.
        """
        was, now = (tuple(endpoint.id == way for way in ways) for ways in (before, after))
        if was == now or not is_remote(network.driver):
            return
        if any(now):
            foreign_ipv6 = bool(after[1]) and not now[1]
            self._networks.open_ports(network, endpoint, ports, foreign_ipv6)
        else:
            self._networks.close_ports(network, endpoint)

    def detach(self, network: Network, endpoint: Endpoint) -> None:
        """Let the plugin take the endpoint down; its link is back on the host."""
        if is_remote(network.driver):
            self._networks.leave(network, endpoint)
            self._networks.delete_endpoint(network, endpoint)


def _wish(spec: NetworkSpec, version: int) -> PoolRequest:
    of_family = (p for p in spec.pools if (p.subnet.version if p.subnet is not None else 4) == version)
    return next(of_family, PoolRequest())
