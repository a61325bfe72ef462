"""Networks in the Engine API's JSON: requests decoded with Docker's validation texts, answers encoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from linkspan.api.versions import ApiVersion, has
from linkspan.model.addresses import Address, Pairs, Subnet
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Endpoint, EndpointConfig, Network, NetworkSpec, Pool, PoolRequest
from linkspan.network.occupancy import Occupancy

Json = Mapping[str, Any]

_MOST = (1 << 64) - 1


def network_spec(body: Json) -> NetworkSpec:
    """Decode the body of POST /networks/create; raises InvalidParameter listing everything that is wrong."""
    ipam = body.get("IPAM") or {}
    complaints: list[str] = []
    pools = tuple(_pool(entry, complaints) for entry in ipam.get("Config") or [])
    if complaints:
        raise InvalidParameter("invalid network config:\n" + "\n".join(complaints))
    return NetworkSpec(
        name=body.get("Name") or "",
        driver=body.get("Driver") or "bridge",
        scope=body.get("Scope") or "local",
        enable_ipv4=_tristate(body.get("EnableIPv4"), True),
        enable_ipv6=_tristate(body.get("EnableIPv6"), False),
        families_said=tuple(v for v in (4, 6) if body.get(f"EnableIPv{v}") is not None),
        internal=bool(body.get("Internal")),
        attachable=bool(body.get("Attachable")),
        ingress=bool(body.get("Ingress")),
        config_only=bool(body.get("ConfigOnly")),
        config_from=(body.get("ConfigFrom") or {}).get("Network") or "",
        ipam_driver=ipam.get("Driver") or "default",
        ipam_options=pairs(ipam.get("Options")),
        pools=pools,
        options=pairs(body.get("Options")),
        labels=pairs(body.get("Labels")),
    )


def _tristate(value: object, default: bool) -> bool:
    return default if value is None else bool(value)


def pairs(mapping: Mapping[str, Any] | None) -> Pairs:
    """Return a JSON object of strings as sorted pairs."""
    return tuple(sorted((key, str(value)) for key, value in (mapping or {}).items()))


def _pool(entry: Json, complaints: list[str]) -> PoolRequest:
    return PoolRequest(
        subnet=_subnet("subnet", entry.get("Subnet"), complaints),
        ip_range=_subnet("ip-range", entry.get("IPRange"), complaints),
        gateway=_address("gateway", entry.get("Gateway"), complaints),
        auxiliary=tuple(
            (name, address)
            for name, text in (entry.get("AuxiliaryAddresses") or {}).items()
            if (address := _address("auxiliary address", text, complaints)) is not None
        ),
    )


def _subnet(noun: str, text: str | None, complaints: list[str]) -> Subnet | None:
    if not text:
        return None
    try:
        address, _, length = text.partition("/")
        found = ip_network((address, int(length)), strict=False)
    except ValueError:
        complaints.append(f"invalid {noun} {text}: invalid CIDR block notation")
        return None
    if ip_address(address) != found.network_address:
        complaints.append(f"invalid {noun} {text}: it should be {found}")
    return found


def _address(noun: str, text: str | None, complaints: list[str]) -> Address | None:
    if not text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        complaints.append(f"invalid {noun} {text}: invalid address")
        return None


def endpoint_config(settings: Json | None) -> EndpointConfig:
    """Decode EndpointSettings of a request; raises InvalidParameter for addresses that are none."""
    given = settings or {}
    ipam = given.get("IPAMConfig") or {}
    complaints: list[str] = []
    config = EndpointConfig(
        ipv4=_of_family(4, "IPv4", ipam.get("IPv4Address"), complaints),
        ipv6=_of_family(6, "IPv6", ipam.get("IPv6Address"), complaints),
        link_local=tuple(_link_local(ipam.get("LinkLocalIPs") or (), complaints)),
        mac=(given.get("MacAddress") or "").lower(),
        aliases=tuple(given.get("Aliases") or ()),
        links=tuple(given.get("Links") or ()),
        driver_opts=pairs(given.get("DriverOpts")),
        gw_priority=int(given.get("GwPriority") or 0),
    )
    if complaints:
        raise InvalidParameter("invalid endpoint settings:\n" + "\n".join(complaints))
    return config


def _of_family(version: int, name: str, text: str | None, complaints: list[str]) -> Any:
    if not text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        complaints.append(f"invalid {name} address: {text}")
        return None
    if address.version != version:
        complaints.append(f"invalid {name} address: {text}")
    return address


def _link_local(texts: Iterable[str], complaints: list[str]) -> Iterable[Address]:
    for text in texts:
        try:
            yield ip_address(text)
        except ValueError:
            complaints.append(f"invalid link-local IP address: {text}")


def network_json(
    network: Network, endpoints: Iterable[Endpoint], version: ApiVersion, detailed: bool = True
) -> dict[str, Any]:
    """Encode a network as GET /networks and GET /networks/{id} answer it."""
    document: dict[str, Any] = {
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": network.scope,
        "Driver": network.driver,
    }
    if has(version, "EnableIPv4"):
        document["EnableIPv4"] = network.enable_ipv4
    document |= {
        "EnableIPv6": network.enable_ipv6,
        "IPAM": {
            "Driver": network.ipam_driver,
            "Options": dict(network.ipam_options) or None,
            "Config": [_pool_json(pool) for pool in network.pools],
        },
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": network.ingress,
        "ConfigFrom": {"Network": network.config_from},
        "ConfigOnly": network.config_only,
        "Containers": {e.container_id: _member_json(e) for e in endpoints} if detailed else {},
        "Options": dict(network.options),
        "Labels": dict(network.labels),
    }
    return document


def status_json(occupancy: Mapping[str, Occupancy]) -> dict[str, Any]:
    """Encode Status of a network; the counts end at 2^64 - 1."""
    subnets = {
        subnet: {"IPsInUse": min(one.in_use, _MOST), "DynamicIPsAvailable": min(one.available, _MOST)}
        for subnet, one in occupancy.items()
    }
    return {"IPAM": {"Subnets": subnets} if subnets else {}}


def _pool_json(pool: Pool) -> dict[str, Any]:
    document: dict[str, Any] = {"Subnet": str(pool.subnet)}
    if pool.ip_range is not None:
        document["IPRange"] = str(pool.ip_range)
    if pool.gateway is not None:
        document["Gateway"] = str(pool.gateway)
    if pool.auxiliary:
        document["AuxiliaryAddresses"] = {name: str(address) for name, address in pool.auxiliary}
    return document


def _member_json(endpoint: Endpoint) -> dict[str, str]:
    return {
        "Name": endpoint.container_name,
        "EndpointID": endpoint.id,
        "MacAddress": endpoint.mac,
        "IPv4Address": str(endpoint.ipv4 or ""),
        "IPv6Address": str(endpoint.ipv6 or ""),
    }
