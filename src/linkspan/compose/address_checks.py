"""Subnets and addresses of a project that cannot be (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from linkspan.compose.errors import Path, Problem
from linkspan.compose.project import Project, Service
from linkspan.compose.source import Map, find

Subnet = IPv4Network | IPv6Network


def problems(project: Project) -> Iterator[Problem]:
    """Malformed and overlapping subnets, addresses outside of them or wanted twice."""
    subnets: list[tuple[str, Path, Subnet]] = []
    for key, network in project.networks.items():
        for path, each in _configs(network):
            found = _subnet(each.get("subnet"))
            if isinstance(found, str):
                yield _at(key, network, path, found)
                continue
            if found is None:
                continue
            yield from _inside(key, network, path, each, found)
            for other, _, taken in subnets:
                if found.version == taken.version and found.overlaps(taken):
                    where = "this network" if other == key else f"network {other}"
                    yield _at(key, network, path, f"{found} overlaps {taken} of {where}")
            subnets.append((key, path, found))
    yield from _endpoints(
        project, {key: [s for other, _, s in subnets if other == key] for key in project.networks}
    )


def _configs(network: Map) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    ipam = network.get("ipam") or {}
    for position, each in enumerate(ipam.get("config") or ()):
        yield ("ipam", "config", position), each


def _subnet(text: Any) -> Subnet | str | None:
    if not text:
        return None
    try:
        return ip_network(str(text))
    except ValueError:
        try:
            return f'"{text}" has host bits set: write {ip_network(str(text), strict=False)}'
        except ValueError:
            return f'"{text}" is not a subnet: write it like 172.30.0.0/24'


def _inside(
    key: str, network: Map, path: Path, given: Mapping[str, Any], subnet: Subnet
) -> Iterator[Problem]:
    gateway = given.get("gateway")
    if gateway and not _contains(subnet, str(gateway)):
        yield _at(key, network, (*path, "gateway"), f"{gateway} is not an address of {subnet}")
    inner = _subnet(given.get("ip_range"))
    if isinstance(inner, str):
        yield _at(key, network, (*path, "ip_range"), inner)
    elif inner is not None and not (
        inner.version == subnet.version and inner[0] in subnet and inner[-1] in subnet
    ):
        yield _at(key, network, (*path, "ip_range"), f"{inner} does not lie within {subnet}")


def _contains(subnet: Subnet, address: str) -> bool:
    try:
        return ip_address(address) in subnet
    except ValueError:
        return False


def _at(key: str, network: Map, path: Path, what: str) -> Problem:
    return Problem(what, ("networks", key, *path), find(network, path))


def _endpoints(project: Project, subnets: Mapping[str, list[Subnet]]) -> Iterator[Problem]:
    taken: dict[tuple[str, IPv4Address | IPv6Address], str] = {}
    for service in project.services.values():
        for key, endpoint in service.networks.items():
            for field in ("ipv4_address", "ipv6_address"):
                text = endpoint.get(field) if endpoint else None
                if text and key in project.networks:
                    external = bool(project.networks[key].get("external"))
                    yield from _static(
                        service, key, field, str(text), None if external else subnets[key], taken
                    )


def _static(
    service: Service,
    key: str,
    field: str,
    text: str,
    subnets: list[Subnet] | None,
    taken: dict[tuple[str, IPv4Address | IPv6Address], str],
) -> Iterator[Problem]:
    path: Path = ("networks", key, field)

    def problem(what: str) -> Problem:
        return Problem(what, ("services", service.name, *path), find(service.definition, path))

    try:
        address = ip_address(text)
    except ValueError:
        yield problem(f'"{text}" is not an IP address')
        return
    if subnets is not None and not any(address in subnet for subnet in subnets):
        shown = ", ".join(str(subnet) for subnet in subnets)
        remedy = f"its subnets are {shown}" if shown else f"give it one: networks.{key}.ipam.config[0].subnet"
        yield problem(f"{address} is not in a subnet of network {key}: {remedy}")
    if service.scale > 1:
        yield problem(f"{service.scale} containers cannot all have the address {address}")
    if (key, address) in taken:
        yield problem(f"{address} is also the address of service {taken[key, address]}")
    taken[key, address] = service.name
