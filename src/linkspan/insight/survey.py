"""The survey: host interfaces, networks, containers, and which veth is whose, as one JSON document.

Everything that draws or lists the network starts from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from linkspan.kernel.links import LinkState, LinkStatistics
from linkspan.model.container import Container
from linkspan.model.network import Endpoint, Network
from linkspan.model.sandbox import Sandbox
from linkspan.network.controller import Controller
from linkspan.network.observing import HostView

Document = dict[str, Any]
#: labels by which compose says what belongs to it
PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"
_NOTHING = LinkStatistics(0, 0, 0, 0, 0, 0, 0, 0)


def look(controller: Controller, containers: Sequence[Container]) -> Document:
    """Return the survey of the host as it is now; blocking. Raises KernelError."""
    return survey(controller.networks(), controller.sandboxes(), containers, controller.observe())


def survey(
    networks: Sequence[Network],
    sandboxes: Sequence[Sandbox],
    containers: Sequence[Container],
    host: HostView,
) -> Document:
    """Return the document: `Host.Interfaces`, `Networks` and `Containers`, each in order of its name.

    Counters are in bytes and packets, seen from the container: Rx is what it has received.
    """
    standing = {each.container.id: each for each in sandboxes}
    bridges = {network.bridge for network in networks}
    members: dict[str, list[str]] = {}
    for endpoint in (endpoint for sandbox in sandboxes for endpoint in sandbox.endpoints):
        bridges.add(endpoint.host_link)
        members.setdefault(endpoint.network_id, []).append(endpoint.container_id)
    by_id = {network.id: network for network in networks}
    return {
        "Host": {
            "Interfaces": [_interface(link, host) for name, link in host.links.items() if name not in bridges]
        },
        "Networks": [
            _network(network, members.get(network.id, []), host)
            for network in sorted(networks, key=lambda each: each.name)
        ],
        "Containers": [
            _container(container, standing.get(container.id), by_id, host)
            for container in sorted(containers, key=lambda each: each.name)
        ],
    }


def _interface(link: LinkState, host: HostView) -> Document:
    counters = host.counters.get(link.name, _NOTHING)
    return {
        "Name": link.name,
        "Index": link.index,
        "Kind": link.kind,
        "MacAddress": link.mac,
        "Mtu": link.mtu,
        "Up": link.up,
        "Addresses": [str(address) for address in host.addresses.get(link.index, ())],
        **_traffic(counters.rx_bytes, counters.rx_packets, counters.rx_dropped, "Rx"),
        **_traffic(counters.tx_bytes, counters.tx_packets, counters.tx_dropped, "Tx"),
    }


def _network(network: Network, members: Sequence[str], host: HostView) -> Document:
    bridge = host.links.get(network.bridge)
    return {
        "Id": network.id,
        "Name": network.name,
        "Driver": network.driver,
        "Bridge": network.bridge,
        "Index": bridge.index if bridge else 0,
        "Mtu": bridge.mtu if bridge else 0,
        "Up": bridge.up if bridge else False,
        "Parent": network.option("parent"),
        "Subnets": [
            {"Subnet": str(pool.subnet), "Gateway": str(pool.gateway or "")} for pool in network.pools
        ],
        "Addresses": [str(address) for address in host.addresses.get(bridge.index, ())] if bridge else [],
        "Internal": network.internal,
        "Icc": network.option("com.docker.network.bridge.enable_icc", "true").lower() not in ("false", "0"),
        "Project": dict(network.labels).get(PROJECT, ""),
        "Containers": list(members),
    }


def _container(
    container: Container, sandbox: Sandbox | None, networks: Mapping[str, Network], host: HostView
) -> Document:
    endpoints = sandbox.endpoints if sandbox else ()
    return {
        "Id": container.id,
        "Name": container.name,
        "Image": container.image,
        "State": container.state.status,
        "Pid": container.state.pid,
        "Mode": container.network_mode,
        "Sandbox": sandbox.key if sandbox else "",
        "Project": container.labels.get(PROJECT, ""),
        "Service": container.labels.get(SERVICE, ""),
        "Ports": [
            {
                "Protocol": binding.protocol,
                "HostIp": str(binding.host_address),
                "HostPort": binding.host_port,
                "ContainerPort": binding.container_port,
                "Count": binding.count,
            }
            for binding in (sandbox.bindings if sandbox else ())
        ],
        "Endpoints": [
            _endpoint(endpoint, networks.get(endpoint.network_id), host)
            | {"Gateway": sandbox is not None and endpoint.id in (sandbox.gateway, sandbox.gateway6)}
            for endpoint in endpoints
            if endpoint.link  # the networks host and none have endpoints without one
        ],
    }


def _endpoint(endpoint: Endpoint, network: Network | None, host: HostView) -> Document:
    link = host.links.get(endpoint.host_link)
    counters = host.counters.get(endpoint.host_link, _NOTHING)
    return {
        "NetworkId": endpoint.network_id,
        "Network": endpoint.network_name,
        "Link": endpoint.link,
        "LinkIndex": link.peer if link else 0,
        "HostLink": endpoint.host_link,
        "HostIndex": link.index if link else 0,
        "Up": link.up if link else False,
        "Bridge": network.bridge if network else "",
        "MacAddress": endpoint.mac,
        "IPv4": str(endpoint.ipv4 or ""),
        "IPv6": str(endpoint.ipv6 or ""),
        "Names": list(endpoint.dns_names),
        **_traffic(counters.tx_bytes, counters.tx_packets, counters.tx_dropped, "Rx"),
        **_traffic(counters.rx_bytes, counters.rx_packets, counters.rx_dropped, "Tx"),
    }


def _traffic(size: int, packets: int, dropped: int, way: str) -> Document:
    return {f"{way}Bytes": size, f"{way}Packets": packets, f"{way}Dropped": dropped}
