"""Containers as `docker inspect` shows them (pure).

Source: reference C1 and Docker Engine API, "Inspect a container".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linkspan.model.container import Container, MountPoint, State
from linkspan.model.network import Endpoint, EndpointConfig
from linkspan.model.ports import PortBinding
from linkspan.model.sandbox import Sandbox
from linkspan.model.timestamps import NEVER

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs between API versions.

    `legacy`: the top-level fields of NetworkSettings, dropped by 1.52; `dns_names`: DNSNames, since 1.44;
    `short_id_alias`: Aliases contains the short id, before 1.45.
    """

    legacy: bool = True
    dns_names: bool = True
    short_id_alias: bool = False


def state_document(state: State) -> Document:
    """Return the State object."""
    found: Document = {
        "Status": state.status,
        "Running": state.running,
        "Paused": state.paused,
        "Restarting": state.restarting,
        "OOMKilled": state.oom_killed,
        "Dead": state.dead,
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": state.started_at,
        "FinishedAt": state.finished_at,
    }
    if state.health is not None:
        found["Health"] = {
            "Status": state.health.status,
            "FailingStreak": state.health.failing_streak,
            "Log": [
                {"Start": p.start, "End": p.end, "ExitCode": p.exit_code, "Output": p.output}
                for p in state.health.log
            ],
        }
    return found


def mount_document(point: MountPoint) -> Document:
    """Return one entry of Mounts."""
    found: Document = {"Type": point.type}
    if point.name:
        found["Name"] = point.name
    found |= {"Source": point.source, "Destination": point.destination}
    if point.type == "volume":
        found["Driver"] = point.driver
    return found | {
        "Mode": "" if point.mode is None else point.mode,
        "RW": not point.read_only,
        "Propagation": point.propagation if point.type == "bind" else "",
    }


def endpoint_document(
    network: str, config: EndpointConfig, endpoint: Endpoint | None, container: Container, shape: Shape
) -> Document:
    """Return EndpointSettings: what was asked for, and what stands (empty while the container is down).

    `network` is the network's name.
    """
    found: Document = {
        "IPAMConfig": ipam_document(config),
        "Links": list(config.links) or None,
        "Aliases": _aliases(network, config, container, shape),
        "MacAddress": config.mac,
        "DriverOpts": dict(config.driver_opts) or None,
        "GwPriority": config.gw_priority,
        "NetworkID": "",
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": None,
    }
    if endpoint is not None:
        found |= _standing(endpoint)
    if not shape.dns_names:
        del found["DNSNames"]
    return found


def _aliases(network: str, config: EndpointConfig, container: Container, shape: Shape) -> list[str] | None:
    """Return the aliases; old clients look for the short id and the hostname on a user-defined network.

    These come with the first start, as in Docker: docker-compose 1.x connects anew what lacks them.
    """
    own: tuple[str, ...] = ()
    begun = container.state.started_at != NEVER
    if begun and shape.short_id_alias and network not in ("bridge", "host", "none", "default"):
        own = (container.short_id, str(container.config.get("Hostname") or ""))
    return list(dict.fromkeys(name for name in (*config.aliases, *own) if name)) or None


def ipam_document(config: EndpointConfig) -> Document | None:
    """Return IPAMConfig of a request, or None when no address was asked for."""
    found: Document = {}
    if config.ipv4:
        found["IPv4Address"] = str(config.ipv4)
    if config.ipv6:
        found["IPv6Address"] = str(config.ipv6)
    if config.link_local:
        found["LinkLocalIPs"] = [str(address) for address in config.link_local]
    return found or None


def _standing(endpoint: Endpoint) -> Document:
    return {
        "MacAddress": endpoint.mac,
        "NetworkID": endpoint.network_id,
        "EndpointID": endpoint.id,
        "Gateway": str(endpoint.gateway4 or ""),
        "IPAddress": str(endpoint.ipv4.ip) if endpoint.ipv4 else "",
        "IPPrefixLen": endpoint.ipv4.network.prefixlen if endpoint.ipv4 else 0,
        "IPv6Gateway": str(endpoint.gateway6 or ""),
        "GlobalIPv6Address": str(endpoint.ipv6.ip) if endpoint.ipv6 else "",
        "GlobalIPv6PrefixLen": endpoint.ipv6.network.prefixlen if endpoint.ipv6 else 0,
        "DNSNames": list(endpoint.dns_names) or None,
    }


def ports_document(container: Container, sandbox: Sandbox | None) -> Document:
    """Return NetworkSettings.Ports: every exposed port, with its bindings or null; {} while down."""
    if sandbox is None or not sandbox.endpoints or container.network_mode in ("host", "none"):
        return {}
    exposed = {*(container.config.get("ExposedPorts") or {}), *(container.host_config["PortBindings"] or {})}
    found: Document = dict.fromkeys(sorted(_with_protocol(port) for port in exposed))
    for binding in sandbox.bindings:
        for key, entry in expanded(binding):
            found[key] = [*(found.get(key) or ()), entry]
    return found


def _with_protocol(port: str) -> str:
    return port if "/" in port else f"{port}/tcp"


def expanded(binding: PortBinding) -> Sequence[tuple[str, dict[str, str]]]:
    """Return ("80/tcp", {HostIp, HostPort}) for every port of a binding; a routed one has no host port."""
    return [
        (
            f"{binding.container_port + i}/{binding.protocol}",
            {
                "HostIp": str(binding.host_address),
                "HostPort": str(binding.host_port + i) if binding.host_port else "",
            },
        )
        for i in range(binding.count)
    ]


def networks_document(
    container: Container, sandbox: Sandbox | None, network_ids: Mapping[str, str], shape: Shape
) -> Document:
    """Return NetworkSettings.Networks. `network_ids` gives the ids of networks by name."""
    endpoints = {e.network_name: e for e in sandbox.endpoints} if sandbox else {}
    by_id = {e.network_id: e for e in sandbox.endpoints} if sandbox else {}
    found: Document = {}
    for name, config in container.networks.items():
        endpoint = endpoints.get(name) or by_id.get(name) or by_id.get(network_ids.get(name, ""))
        shown = endpoint.network_name if endpoint else name
        found[shown] = endpoint_document(shown, config, endpoint, container, shape)
        if endpoint is None and container.state.started_at != NEVER:
            found[shown]["NetworkID"] = network_ids.get(name, "")
    for name, endpoint in endpoints.items():
        if name not in found:
            found[name] = endpoint_document(name, endpoint.config, endpoint, container, shape)
    return found


def network_settings(
    container: Container,
    sandbox: Sandbox | None,
    network_ids: Mapping[str, str],
    shape: Shape,
    indexes: Mapping[str, int],
) -> Document:
    """Return NetworkSettings; `indexes` are the host's links of the container by name, with their numbers.

    Beside Docker's fields each network has HostInterface, the link of the host that leads into the container,
    or null: it is down, or has a link of its own (macvlan) or the host's network.
    """
    key = sandbox.key if sandbox else ""
    networks = networks_document(container, sandbox, network_ids, shape)
    links = {e.id: e.host_link for e in sandbox.endpoints if e.host_link in indexes} if sandbox else {}
    for document in networks.values():
        link = links.get(document["EndpointID"])
        document["HostInterface"] = {"Name": link, "Index": indexes[link]} if link else None
    found: Document = {
        "SandboxID": container.id if sandbox else "",
        "SandboxKey": key,
        "Ports": ports_document(container, sandbox),
    }
    if shape.legacy:
        found = {"Bridge": "", **found} | _legacy(networks.get("bridge") or {})
    return found | {"Networks": networks}


def _legacy(bridge: Mapping[str, Any]) -> Document:
    found: Document = {
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
    }
    for name in (
        "EndpointID",
        "Gateway",
        "GlobalIPv6Address",
        "GlobalIPv6PrefixLen",
        "IPAddress",
        "IPPrefixLen",
        "IPv6Gateway",
        "MacAddress",
    ):
        found[name] = bridge.get(name, 0 if name.endswith("Len") else "")
    return found


def container_document(
    container: Container,
    settings: Document,
    paths: Mapping[str, str],
    exec_ids: Sequence[str],
    graph: Mapping[str, Any],
) -> Document:
    """Return the whole answer of GET /containers/{id}/json, without sizes.

    `paths` gives ResolvConfPath, HostnamePath, HostsPath and LogPath; `graph` is GraphDriver.
    """
    return {
        "Id": container.id,
        "Created": container.created,
        "Path": container.path,
        "Args": list(container.args),
        "State": state_document(container.state),
        "Image": container.image_id,
        **paths,
        "Name": f"/{container.name}",
        "RestartCount": container.restart_count,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": list(exec_ids) or None,
        "HostConfig": dict(container.host_config),
        "GraphDriver": dict(graph),
        "Mounts": [mount_document(point) for point in container.mounts],
        "Config": dict(container.config),
        "NetworkSettings": settings,
    }
