"""Address management by a plugin: pools and addresses are requested from it and released to it.

Source: libnetwork, docs/ipam.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_interface, ip_network
from typing import Any

from linkspan.model.addresses import Address, Interface
from linkspan.model.errors import LinkspanError
from linkspan.model.network import NetworkSpec, Pool, PoolRequest
from linkspan.network.remote.plugins import IPAM, Plugins

GATEWAY = "com.docker.network.gateway"
ADDRESS_TYPE = "RequestAddressType"
MAC = "com.docker.network.endpoint.macaddress"
BUILT_IN = ("", "default", "null", "dhcp")


class RemoteIpam:
    """Pools and addresses of IPAM plugins."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def request_pool(self, spec: NetworkSpec, wish: PoolRequest, version: int, gateway: bool = True) -> Pool:
        """Return the pool of one family with its gateway; raises LinkspanError with the plugin's refusal.

        Without `gateway` none is requested that was not named.
        """
        driver, options = spec.ipam_driver, dict(spec.ipam_options)
        spaces = self._call(driver, "GetDefaultAddressSpaces", {})
        body = {
            "AddressSpace": spaces.get("LocalDefaultAddressSpace") or "",
            "Pool": str(wish.subnet or ""),
            "SubPool": str(wish.ip_range or ""),
            "Options": options,
            "V6": version == 6,
        }
        answer = self._call(driver, "RequestPool", body)
        pool_id = str(answer.get("PoolID") or "")
        try:
            subnet = ip_network(answer["Pool"])
            found = None
            if gateway or wish.gateway is not None:
                found = self._gateway(driver, pool_id, wish.gateway, answer.get("Data") or {})
            for _, address in wish.auxiliary:
                self.request_address(driver, pool_id, address)
        except (ValueError, KeyError) as error:
            self.release_pool(driver, pool_id)
            raise LinkspanError(f"{driver}: RequestPool: the answer cannot be used: {error}") from error
        except LinkspanError:
            self.release_pool(driver, pool_id)
            raise
        return Pool(subnet, found, wish.ip_range, wish.auxiliary, pool_id)

    def _gateway(
        self, driver: str, pool_id: str, wanted: Address | None, data: Mapping[str, str]
    ) -> Address | None:
        """Return the gateway: the one the pool came with, or else one requested as such ("" for none)."""
        if wanted is None and (text := data.get(GATEWAY)):
            return ip_interface(text).ip
        found = self.request_address(driver, pool_id, wanted, {ADDRESS_TYPE: GATEWAY})
        return None if found is None else found.ip

    def release_pool(self, driver: str, pool_id: str) -> None:
        """Give a pool back."""
        self._call(driver, "ReleasePool", {"PoolID": pool_id})

    def request_address(
        self, driver: str, pool_id: str, wanted: Address | None, options: Mapping[str, str] | None = None
    ) -> Interface | None:
        """Return an address of a pool with its prefix length, None if the plugin gives none."""
        body = {"PoolID": pool_id, "Address": str(wanted or ""), "Options": dict(options or {})}
        text = str(self._call(driver, "RequestAddress", body).get("Address") or "")
        try:
            return ip_interface(text) if text else None
        except ValueError as error:
            raise LinkspanError(f"{driver}: RequestAddress: {error}") from error

    def endpoint_options(self, driver: str, mac: str) -> dict[str, str]:
        """Return what a plugin must be told with a request for an endpoint."""
        needed = self._call(driver, "GetCapabilities", {}).get("RequiresMACAddress")
        return {MAC: mac} if needed else {}

    def release_address(self, driver: str, pool_id: str, address: Address) -> None:
        """Give an address back."""
        self._call(driver, "ReleaseAddress", {"PoolID": pool_id, "Address": str(address)})

    def _call(self, driver: str, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._plugins.get(driver, IPAM).call(f"{IPAM}.{method}", body)
