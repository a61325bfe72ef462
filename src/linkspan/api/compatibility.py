"""POST /containers/create as clients of each API version mean it: the body rewritten for the newest (pure).

Source: moby daemon/server/router/container, postContainersCreate and its handle…BC functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from linkspan.api.versions import ApiVersion, has
from linkspan.model.errors import InvalidParameter, LinkspanError

Document = dict[str, Any]

ENDPOINT_SYSCTLS = "com.docker.network.endpoint.sysctls"
_MOUNT_OPTIONS = {"BindOptions": "bind", "VolumeOptions": "volume", "TmpfsOptions": "tmpfs"}


def adapted(body: Mapping[str, Any], asked: ApiVersion) -> tuple[Document, list[str]]:
    """Return the body with what `asked` means by it, and the warnings for the client.

    Raises InvalidParameter for what clients of that version may not ask for. `body` stays as it is.
    """
    host = dict(body.get("HostConfig") or {})
    networking = dict(body.get("NetworkingConfig") or {})
    given = networking.get("EndpointsConfig") or {}
    endpoints = {name: dict(settings or {}) for name, settings in given.items()}
    found = {**body, "HostConfig": host, "NetworkingConfig": networking}
    _name_the_default(host, endpoints)
    _check_endpoints(endpoints, asked)
    _fill_defaults(found, host, asked)
    host["Mounts"] = list(_mounts(host.get("Mounts") or (), asked)) or None
    warnings = [
        *_container_mac(found, host, endpoints, asked),
        *_interface_sysctls(host, endpoints, asked),
        *_empty_bindings(host, asked),
    ]
    networking["EndpointsConfig"] = endpoints
    return found, warnings


def _name_the_default(host: Document, endpoints: dict[str, Document]) -> None:
    if host.get("NetworkMode") in (None, "", "default"):
        host["NetworkMode"] = "bridge"
        if "default" in endpoints:
            endpoints["bridge"] = endpoints.pop("default")


def _check_endpoints(endpoints: dict[str, Document], asked: ApiVersion) -> None:
    if len(endpoints) > 1 and not has(asked, "several endpoints in create"):
        names = ", ".join(endpoints)
        raise InvalidParameter(f"Container cannot be created with multiple network endpoints: {names}")
    if not has(asked, "gateway priority"):
        for settings in endpoints.values():
            settings["GwPriority"] = 0


def _fill_defaults(body: Document, host: Document, asked: ApiVersion) -> None:
    """Give older clients their defaults, and take away what they cannot have meant."""
    if not has(asked, "private ipc by default") and not host.get("IpcMode"):
        host["IpcMode"] = "shareable"
    if not has(asked, "umask"):
        host.pop("Umask", None)
    if not has(asked, "annotations"):
        host.pop("Annotations", None)
    health = body.get("Healthcheck")
    if health and not has(asked, "several endpoints in create"):
        body["Healthcheck"] = {**health, "StartInterval": 0}


def _mounts(mounts: Any, asked: ApiVersion) -> Iterator[Document]:
    """Yield the mounts without options of other mount types, which only newer clients are told of."""
    strict = has(asked, "disk usage by type")
    for given in mounts:
        mount = dict(given)
        kind = mount.get("Type") or ""
        for name, owner in _MOUNT_OPTIONS.items():
            if mount.get(name) is None or kind == owner:
                continue
            if strict:
                raise InvalidParameter(f'{name} must not be specified on mount type "{kind}"')
            if name != "BindOptions":
                mount[name] = None
        _check_mount(mount, kind, asked)
        yield mount


def _check_mount(mount: Document, kind: str, asked: ApiVersion) -> None:
    bind, volume = mount.get("BindOptions") or {}, mount.get("VolumeOptions") or {}
    if bind.get("ReadOnlyForceRecursive") and not has(asked, "several endpoints in create"):
        raise InvalidParameter("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer")
    if volume.get("Subpath") and not has(asked, "volume subpath"):
        raise InvalidParameter("VolumeOptions.Subpath needs API v1.45 or newer")
    if kind == "image" and not has(asked, "gateway priority"):
        raise InvalidParameter('Mount type "Image" needs API v1.48 or newer')


def _endpoint_of_mode(host: Document, endpoints: dict[str, Document], asked: ApiVersion) -> Document:
    """Return the settings of the network mode's endpoint, made when there are none."""
    mode = host["NetworkMode"]
    if not endpoints:
        endpoints[mode] = {}
    if not has(asked, "several endpoints in create"):
        return next(iter(endpoints.values()))
    if mode not in endpoints:
        raise InvalidParameter(
            "HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks"
        )
    return endpoints[mode]


def _has_endpoints(mode: str) -> bool:
    return mode not in ("host", "none") and not mode.startswith("container:")


def _container_mac(
    body: Document, host: Document, endpoints: dict[str, Document], asked: ApiVersion
) -> Iterator[str]:
    """Move the MAC address of the container to the endpoint of its network mode."""
    mac = body.get("MacAddress") or ""
    per_endpoint = has(asked, "mac address of an endpoint")
    if not mac:
        for settings in () if per_endpoint else endpoints.values():
            settings["MacAddress"] = ""
        return
    if has(asked, "no mac address of a container"):
        raise InvalidParameter(
            "container-wide MAC address no longer supported; use endpoint-specific MAC address instead"
        )
    bridged = _has_endpoints(host["NetworkMode"])
    if not per_endpoint and not bridged:
        raise InvalidParameter("conflicting options: mac-address and the network mode")
    if bridged:
        settings = _endpoint_of_mode(host, endpoints, asked)
        own = settings.get("MacAddress") or ""
        if per_endpoint and own and own.lower() != mac.lower():
            raise InvalidParameter(
                "the container-wide MAC address must match the endpoint-specific MAC address "
                "for the main network, or be left empty"
            )
        settings["MacAddress"] = mac
    if per_endpoint:
        yield (
            "The container-wide MacAddress field is now deprecated. "
            "It should be specified in EndpointsConfig instead."
        )


def _interface_sysctls(host: Document, endpoints: dict[str, Document], asked: ApiVersion) -> Iterator[str]:
    """Move sysctls that name eth0 to the endpoint of the network mode, where the interface is known."""
    sysctls = host.get("Sysctls") or {}
    named = {key: value for key, value in sysctls.items() if _names_interface(key)}
    mode = host["NetworkMode"]
    if not named or mode == "host" or mode.startswith("container:"):
        return
    if has(asked, "interface sysctls by endpoint only"):
        raise LinkspanError(
            f'interface specific sysctl setting "{next(iter(named))}" '
            f"must be supplied using driver option '{ENDPOINT_SYSCTLS}'"
        )
    for key in named:
        if key.split(".")[3] != "eth0":
            raise LinkspanError(
                f"unable to determine network endpoint for sysctl {key}, "
                f"use driver option '{ENDPOINT_SYSCTLS}' to set per-interface sysctls"
            )
    settings = _endpoint_of_mode(host, endpoints, asked)
    moved = ",".join(f"{_for_any_interface(key)}={value}" for key, value in named.items())
    options = dict(settings.get("DriverOpts") or {})
    older = options.get(ENDPOINT_SYSCTLS)
    options[ENDPOINT_SYSCTLS] = f"{moved},{older}" if older else moved
    settings["DriverOpts"] = options
    host["Sysctls"] = {key: value for key, value in sysctls.items() if key not in named}
    yield f'Migrated sysctl "{",".join(named)}" to DriverOpts{{"{ENDPOINT_SYSCTLS}":"{moved}"}}.'


def _names_interface(key: str) -> bool:
    parts = key.split(".", 4)
    return len(parts) == 5 and parts[0] == "net" and parts[3].startswith("eth")


def _for_any_interface(key: str) -> str:
    parts = key.split(".", 4)
    return ".".join([*parts[:3], "IFNAME", parts[4]])


def _empty_bindings(host: Document, asked: ApiVersion) -> Iterator[str]:
    """Take an empty list of port bindings for one binding to any host port."""
    bindings = host.get("PortBindings") or {}
    empty = [port for port, given in bindings.items() if not given]
    if not empty:
        return
    host["PortBindings"] = {
        port: given or [{"HostIp": "", "HostPort": ""}] for port, given in bindings.items()
    }
    if has(asked, "empty port bindings are told"):
        yield (
            f"Following container port(s) have an empty list of port-bindings: {', '.join(empty)}. "
            "Such bindings will be discarded in a future version."
        )
