"""Networks and endpoints of remote drivers: what the plugin is told, and what its answers mean.

Source: libnetwork, docs/remote.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from linkspan.model.errors import LinkspanError, NotFound
from linkspan.model.network import Endpoint, Network, NetworkSpec, Pool, StaticRoute
from linkspan.network import names
from linkspan.network.remote.plugins import NETWORK, Plugins

GENERIC = "com.docker.network.generic"
NO_PROXY = "com.docker.network.no_proxy_6to4"
SCOPES = ("local", "global")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a plugin can: its `scope` ("local", "global"), and whether it may do without gateways."""

    scope: str
    checks_gateways: bool


class RemoteNetworks:
    """Creates and deletes networks, and attaches and detaches endpoints, by way of their plugins."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def capabilities(self, driver: str) -> Capabilities:
        """Return what the plugin says of itself.

        Raises NotFound for a driver that nobody offers, LinkspanError for what is no answer.
        """
        answer = self._call(driver, "GetCapabilities", {})
        scope = answer.get("Scope")
        for value in (scope, answer.get("ConnectivityScope") or scope):
            if value not in SCOPES:
                raise LinkspanError(
                    f"{driver}: invalid capability: expecting 'local' or 'global', got {value or 'nothing'}"
                )
        return Capabilities(str(scope), bool(answer.get("GwAllocChecker")))

    def families_without_gateway(self, spec: NetworkSpec) -> frozenset[int]:
        """Return the families (4, 6) that the plugin wants no gateway address for; most want one in both."""
        if not self.capabilities(spec.driver).checks_gateways:
            return frozenset()
        answer = self._call(spec.driver, "GwAllocCheck", {"Options": _options(spec)})
        return frozenset(version for version in (4, 6) if answer.get(f"SkipIPv{version}"))

    def create(self, network: Network) -> None:
        """Tell the plugin of a new network; raises LinkspanError with its refusal."""
        body = {
            "NetworkID": network.id,
            "Options": _options(network),
            "IPv4Data": [_pool(pool) for pool in network.pools if pool.subnet.version == 4],
            "IPv6Data": [_pool(pool) for pool in network.pools if pool.subnet.version == 6],
        }
        self._call(network.driver, "CreateNetwork", body)

    def delete(self, network: Network) -> None:
        """Tell the plugin that a network goes."""
        self._call(network.driver, "DeleteNetwork", {"NetworkID": network.id})

    def create_endpoint(self, network: Network, endpoint: Endpoint, ports: Json) -> Endpoint:
        """Make the endpoint of a container with these port labels.

        Returns the endpoint with the addresses and the MAC that the plugin chose where we did not."""
        interface = {
            "Address": str(endpoint.ipv4 or ""),
            "AddressIPv6": str(endpoint.ipv6 or ""),
            "MacAddress": endpoint.mac,
        }
        body = {
            **_ids(endpoint),
            "Options": {**ports, **dict(endpoint.config.driver_opts)},
            "Interface": interface,
        }
        chosen = self._call(network.driver, "CreateEndpoint", body).get("Interface") or {}
        with _understood(network.driver, "CreateEndpoint"):
            changes: Json = {}
            for field, key, parse in (
                ("ipv4", "Address", ip_interface),
                ("ipv6", "AddressIPv6", ip_interface),
                ("mac", "MacAddress", str),
            ):
                if (text := chosen.get(key)) and interface[key]:
                    raise ValueError(f"it changes {key}, which was given")
                if text:
                    changes[field] = parse(text)
            return replace(endpoint, **changes)

    def join(self, network: Network, endpoint: Endpoint, taken: set[str], ports: Json) -> Endpoint:
        """Return the endpoint with its interface, gateways and routes; `taken` are names in the sandbox."""
        body = {**_ids(endpoint), "SandboxKey": endpoint.sandbox, "Options": ports}
        answer = self._call(network.driver, "Join", body)
        with _understood(network.driver, "Join"):
            interface = answer.get("InterfaceName") or {}
            source = str(interface.get("SrcName") or "")
            prefix = str(interface.get("DstPrefix") or "eth")
            link = endpoint.link or str(interface.get("DstName") or "") or names.interface(prefix, taken)
            if source:
                taken.add(link)
            return replace(
                endpoint,
                link=link if source else "",
                source_link=source,
                gateway4=_address(answer.get("Gateway")),
                gateway6=_address(answer.get("GatewayIPv6")),
                routes=tuple(_route(route) for route in answer.get("StaticRoutes") or ()),
            )

    def open_ports(self, network: Network, endpoint: Endpoint, ports: Json, foreign_ipv6: bool) -> None:
        """Tell the plugin that the endpoint is its container's way out now.

        `foreign_ipv6`: IPv6 goes out by another endpoint. A plugin that does not know the call is let be.
        """
        options = {**ports, NO_PROXY: True} if foreign_ipv6 else ports
        body = {**_ids(endpoint), "Options": options}
        with suppress(NotFound):
            self._call(network.driver, "ProgramExternalConnectivity", body)

    def close_ports(self, network: Network, endpoint: Endpoint) -> None:
        """Tell the plugin that the endpoint is its container's way out no more."""
        with suppress(NotFound):
            self._call(network.driver, "RevokeExternalConnectivity", _ids(endpoint))

    def leave(self, network: Network, endpoint: Endpoint) -> None:
        """Tell the plugin that the endpoint leaves its sandbox."""
        self._call(network.driver, "Leave", _ids(endpoint))

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> None:
        """Tell the plugin that the endpoint is gone."""
        self._call(network.driver, "DeleteEndpoint", _ids(endpoint))

    def _call(self, driver: str, method: str, body: Mapping[str, Any]) -> Json:
        return self._plugins.get(driver, NETWORK).call(f"{NETWORK}.{method}", body)


class _understood:
    """Turns what cannot be read in an answer into an error that names the plugin."""

    def __init__(self, driver: str, method: str) -> None:
        self._where = f"{driver}: {method}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ValueError | TypeError | AttributeError | KeyError):
            raise LinkspanError(f"{self._where}: the plugin's answer cannot be used: {error}") from error


def _options(network: Network | NetworkSpec) -> Json:
    options: Json = {
        GENERIC: dict(network.options),
        "com.docker.network.enable_ipv4": network.enable_ipv4,
        "com.docker.network.enable_ipv6": network.enable_ipv6,
    }
    if network.internal:
        options["com.docker.network.internal"] = True
    return options


def _ids(endpoint: Endpoint) -> dict[str, str]:
    return {"NetworkID": endpoint.network_id, "EndpointID": endpoint.id}


def _pool(pool: Pool) -> Json:
    length = pool.subnet.prefixlen
    document: Json = {"AddressSpace": "LocalDefault", "Pool": str(pool.subnet)}
    if pool.gateway:
        document["Gateway"] = f"{pool.gateway}/{length}"
    if pool.auxiliary:
        document["AuxAddresses"] = {name: f"{address}/{length}" for name, address in pool.auxiliary}
    return document


def _address(text: str | None) -> Any:
    return ip_address(text) if text else None


def _route(route: Mapping[str, Any]) -> StaticRoute:
    """RouteType 0 has a next hop, 1 leads to the interface itself."""
    hop = ip_address(route["NextHop"]) if int(route.get("RouteType") or 0) == 0 else None
    return StaticRoute(ip_network(route["Destination"]), hop)
