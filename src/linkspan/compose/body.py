"""A service as the body of the daemon's container create call (pure).

Source: docker/compose pkg/compose/create.go; Docker Engine API, ContainerCreate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from linkspan.compose import labels, values
from linkspan.compose.body_limits import limits
from linkspan.compose.body_mounts import mounts
from linkspan.compose.ports import span
from linkspan.compose.project import Project, Service

#: the name of the container that stands for a service (the first one), for shared namespaces and links
NameOf = Callable[[str], str]


def create(
    project: Project,
    service: Service,
    number: int,
    *,
    image_id: str = "",
    name: str = "",
    inherited: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The body for the service's container `number`.

    `name` is its final name when it is not the usual one; `inherited` maps targets to the anonymous volumes
    of the container that this one replaces.
    """
    ports = service.get("ports") or ()
    config = {
        "Image": service.image(project.name),
        "Cmd": service.get("command"),
        "Entrypoint": service.get("entrypoint"),
        "Hostname": service.get("hostname"),
        "Domainname": service.get("domainname"),
        "User": service.get("user"),
        "WorkingDir": service.get("working_dir"),
        "Tty": service.get("tty"),
        "OpenStdin": service.get("stdin_open"),
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "Env": environment(service),
        "Labels": labels.container(project, service, number, image_id),
        "ExposedPorts": {port: {} for port in _exposed(service)},
        "StopSignal": service.get("stop_signal"),
        "StopTimeout": grace(service),
        "Healthcheck": _healthcheck(service),
    }
    mode, endpoints = networking(project, service, name or project.container_name(service, number))
    host = {
        **_host(project, service),
        **limits(service),
        **mounts(project, service, inherited or {}),
        "NetworkMode": mode,
        "PortBindings": _bindings(ports),
    }
    host = {key: value for key, value in host.items() if value not in (None, [], {})}
    body = {key: value for key, value in config.items() if value is not None}
    return {**body, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": endpoints}}


def environment(service: Service) -> list[str]:
    """Variables as the daemon takes them; those that are unset here too are left out."""
    given = service.get("environment") or {}
    return [f"{key}={value}" for key, value in sorted(given.items()) if value is not None]


def grace(service: Service) -> int | None:
    """Seconds until a stopping container is killed, if the file says so."""
    given = service.get("stop_grace_period")
    return None if given is None else max(1, values.nanoseconds(given) // 1_000_000_000)


def _exposed(service: Service) -> list[str]:
    found = [f"{entry['target']}/{entry['protocol']}" for entry in service.get("ports") or ()]
    for text in service.get("expose") or ():
        ports, _, protocol = str(text).partition("/")
        found += [f"{port}/{protocol or 'tcp'}" for port in span(ports)]
    return list(dict.fromkeys(found))


def _bindings(ports: Any) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for entry in ports:
        binding = {"HostIp": str(entry.get("host_ip", "")), "HostPort": str(entry.get("published", ""))}
        found.setdefault(f"{entry['target']}/{entry['protocol']}", []).append(binding)
    return found


def _healthcheck(service: Service) -> dict[str, Any] | None:
    given = service.get("healthcheck")
    if not given:
        return None
    if given.get("disable"):
        return {"Test": ["NONE"]}
    found: dict[str, Any] = {"Test": given.get("test") or []}
    for key, field in (
        ("interval", "Interval"),
        ("timeout", "Timeout"),
        ("start_period", "StartPeriod"),
        ("start_interval", "StartInterval"),
    ):
        if key in given:
            found[field] = values.nanoseconds(given[key])
    return {**found, **({"Retries": given["retries"]} if "retries" in given else {})}


def _host(project: Project, service: Service) -> dict[str, Any]:
    logging = service.get("logging") or {}
    return {
        "RestartPolicy": _restart(service),
        "Init": service.get("init"),
        "IpcMode": _shared(project, service.get("ipc")),
        "PidMode": _shared(project, service.get("pid")),
        "UTSMode": service.get("uts"),
        "UsernsMode": service.get("userns_mode"),
        "CgroupnsMode": service.get("cgroup"),
        "CgroupParent": service.get("cgroup_parent"),
        "Runtime": service.get("runtime"),
        "Isolation": service.get("isolation"),
        "ReadonlyRootfs": service.get("read_only"),
        "Privileged": service.get("privileged"),
        "CapAdd": service.get("cap_add"),
        "CapDrop": service.get("cap_drop"),
        "SecurityOpt": service.get("security_opt"),
        "GroupAdd": service.get("group_add"),
        "Dns": service.get("dns"),
        "DnsSearch": service.get("dns_search"),
        "DnsOptions": service.get("dns_opt"),
        "ExtraHosts": [each.replace("=", ":", 1) for each in service.get("extra_hosts") or ()],
        "Sysctls": service.get("sysctls"),
        "StorageOpt": service.get("storage_opt"),
        "Annotations": service.get("annotations"),
        "LogConfig": logging and {"Type": logging.get("driver", ""), "Config": logging.get("options") or {}},
        "VolumesFrom": [_shared_volumes(project, each) for each in service.get("volumes_from") or ()],
    }


def _restart(service: Service) -> dict[str, Any]:
    name, _, retries = str(service.get("restart") or "no").partition(":")
    if service.get("restart") is None and (policy := (service.get("deploy") or {}).get("restart_policy")):
        name = {"none": "no", "any": "always"}.get(policy.get("condition", "any"), "on-failure")
        retries = str(policy.get("max_attempts", 0)) if name == "on-failure" else ""
    return {"Name": name, "MaximumRetryCount": int(retries or 0)}


def _shared(project: Project, mode: str | None) -> str | None:
    """ipc and pid: another service's namespace is its first container's."""
    kind, _, name = str(mode or "").partition(":")
    return f"container:{first(project, name)}" if kind == "service" else mode


def _shared_volumes(project: Project, text: str) -> str:
    if text.startswith("container:"):
        return text.removeprefix("container:")
    name, colon, options = text.partition(":")
    return first(project, name) + colon + options


def first(project: Project, name: str) -> str:
    """The name of a service's first container."""
    return project.container_name(project.services[name], 1)


def networking(
    project: Project, service: Service, name: str, *, reachable: bool = True
) -> tuple[str, dict[str, Any]]:
    """The network mode and the endpoints of a container called `name`; not `reachable`: by its name only."""
    if service.network_service:
        return f"container:{first(project, service.network_service)}", {}
    if mode := service.get("network_mode"):
        return str(mode), {}
    endpoints = {
        project.network_name(key): _endpoint(project, service, name, settings or {}, reachable)
        for key, settings in service.networks.items()
    }
    return next(iter(endpoints), "none"), endpoints


def _endpoint(
    project: Project, service: Service, name: str, given: Mapping[str, Any], reachable: bool
) -> dict[str, Any]:
    aliases = [name, service.name, *(given.get("aliases") or ())] if reachable else [name]
    options = {key: str(value) for key, value in (given.get("driver_opts") or {}).items()}
    if given.get("interface_name"):
        options["com.docker.network.endpoint.ifname"] = given["interface_name"]
    addresses = {
        "IPv4Address": given.get("ipv4_address"),
        "IPv6Address": given.get("ipv6_address"),
        "LinkLocalIPs": given.get("link_local_ips"),
    }
    found = {
        "Aliases": list(dict.fromkeys(aliases)),
        "Links": _links(project, service),
        "IPAMConfig": {key: value for key, value in addresses.items() if value},
        "MacAddress": given.get("mac_address") or _service_mac(service),
        "DriverOpts": options,
        "GwPriority": given.get("gw_priority"),
    }
    return {key: value for key, value in found.items() if value}


def _service_mac(service: Service) -> str | None:
    """A service's own MAC address is meant for its only network."""
    return service.get("mac_address") if len(service.networks) == 1 else None


def _links(project: Project, service: Service) -> list[str]:
    found = []
    for text in service.get("links") or ():
        name, _, alias = text.partition(":")
        target = project.services.get(name)
        if target is not None:
            numbers = range(1, target.scale + 1)
            found += [f"{project.container_name(target, n)}:{alias or name}" for n in numbers]
    for text in service.get("external_links") or ():
        name, _, alias = text.partition(":")
        found.append(f"{name}:{alias or name}")
    return found
