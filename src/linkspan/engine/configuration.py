"""Config and HostConfig of a container: Docker's defaults, and what the image adds (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from linkspan.model.errors import InvalidParameter
from linkspan.runtime import mounts

Document = dict[str, Any]

MASKED_PATHS = mounts.MASKED_PATHS
READONLY_PATHS = mounts.READONLY_PATHS
SHM_SIZE = 64 * 1024 * 1024

_CONFIG: Document = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}
_CONFIG_OPTIONAL = (
    "ExposedPorts",
    "Healthcheck",
    "ArgsEscaped",
    "NetworkDisabled",
    "MacAddress",
    "StopSignal",
    "StopTimeout",
    "Shell",
)
_HOST_CONFIG: Document = {
    "Binds": None,
    "ContainerIDFile": "",
    "LogConfig": {"Type": "json-file", "Config": {}},
    "NetworkMode": "bridge",
    "PortBindings": {},
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "AutoRemove": False,
    "VolumeDriver": "",
    "VolumesFrom": None,
    "ConsoleSize": [0, 0],
    "CapAdd": None,
    "CapDrop": None,
    "CgroupnsMode": "",
    "Dns": [],
    "DnsOptions": [],
    "DnsSearch": [],
    "ExtraHosts": None,
    "GroupAdd": None,
    "IpcMode": "private",
    "Cgroup": "",
    "Links": None,
    "OomScoreAdj": 0,
    "PidMode": "",
    "Privileged": False,
    "PublishAllPorts": False,
    "ReadonlyRootfs": False,
    "SecurityOpt": None,
    "UTSMode": "",
    "UsernsMode": "",
    "ShmSize": SHM_SIZE,
    "Runtime": "",
    "Isolation": "",
    "CpuShares": 0,
    "Memory": 0,
    "NanoCpus": 0,
    "CgroupParent": "",
    "BlkioWeight": 0,
    "BlkioWeightDevice": [],
    "BlkioDeviceReadBps": [],
    "BlkioDeviceWriteBps": [],
    "BlkioDeviceReadIOps": [],
    "BlkioDeviceWriteIOps": [],
    "CpuPeriod": 0,
    "CpuQuota": 0,
    "CpuRealtimePeriod": 0,
    "CpuRealtimeRuntime": 0,
    "CpusetCpus": "",
    "CpusetMems": "",
    "Devices": [],
    "DeviceCgroupRules": None,
    "DeviceRequests": None,
    "MemoryReservation": 0,
    "MemorySwap": 0,
    "MemorySwappiness": None,
    "OomKillDisable": None,
    "PidsLimit": None,
    "Ulimits": [],
    "CpuCount": 0,
    "CpuPercent": 0,
    "IOMaximumIOps": 0,
    "IOMaximumBandwidth": 0,
}
_HOST_CONFIG_OPTIONAL = (
    "Mounts",
    "Tmpfs",
    "Sysctls",
    "StorageOpt",
    "Init",
    "Annotations",
    "MaskedPaths",
    "ReadonlyPaths",
    "Umask",
)


_CONTAINERS: dict[str, type] = {
    "Annotations": dict,
    "Binds": list,
    "CapAdd": list,
    "CapDrop": list,
    "ExposedPorts": dict,
    "ExtraHosts": list,
    "GroupAdd": list,
    "Healthcheck": dict,
    "Labels": dict,
    "Links": list,
    "Mounts": list,
    "SecurityOpt": list,
    "Sysctls": dict,
    "Tmpfs": dict,
    "Volumes": dict,
    "VolumesFrom": list,
}


def _canonical(given: Mapping[str, Any], names: Sequence[str]) -> Document:
    """Return the known fields of `given` by their proper names: Go's decoder ignores case."""
    known = {name.lower(): name for name in names}
    return {known[key.lower()]: value for key, value in given.items() if key.lower() in known}


def _filled(given: Mapping[str, Any], defaults: Document, optional: Sequence[str]) -> Document:
    found = _canonical(given, [*defaults, *optional])
    filled = {
        name: found[name] if found.get(name) is not None else deepcopy(default)
        for name, default in defaults.items()
    }
    for name, default in defaults.items():
        _check_type(name, filled[name], default)
    given_optional = {name: found[name] for name in optional if found.get(name) is not None}
    for name, value in (filled | given_optional).items():
        if name in _CONTAINERS and value is not None:
            _check_type(name, value, _CONTAINERS[name]())
    return filled | given_optional


def _check_type(name: str, value: Any, default: Any) -> None:
    """Refuse a value of another JSON type than Docker's field has."""
    if default is None or isinstance(value, type(default)) or (default == "" and value is None):
        return
    if isinstance(default, int) and isinstance(value, int):
        return
    word = {str: "string", bool: "bool", int: "int", list: "array", dict: "object"}[type(default)]
    kind = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    raise InvalidParameter(
        f"invalid JSON: json: cannot unmarshal {kind.get(type(value), 'value')} "
        f"into Go struct field {name} of type {word}"
    )


def words(value: Any) -> list[str] | None:
    """Return a command given as a list, or as one string; None stays None."""
    if value is None:
        return None
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return list(value)
    raise InvalidParameter("invalid JSON: json: cannot unmarshal value into Go value of type []string")


def complete_config(body: Mapping[str, Any]) -> Document:
    """Return Config with every field that Docker shows; unknown fields of the request are dropped."""
    config = _filled(body, _CONFIG, _CONFIG_OPTIONAL)
    config["Cmd"] = words(config["Cmd"])
    config["Entrypoint"] = words(config["Entrypoint"])
    config["Env"] = words(config["Env"])
    config["Labels"] = dict(config["Labels"] or {})
    return config


def complete_host_config(given: Mapping[str, Any] | None, default_ipc: str = "private") -> Document:
    """Return HostConfig with Docker's defaults in place of what is missing, null or empty."""
    host = _filled(given or {}, _HOST_CONFIG, _HOST_CONFIG_OPTIONAL)
    host["NetworkMode"] = _network_mode(host["NetworkMode"])
    host["IpcMode"] = host["IpcMode"] or default_ipc
    host["ShmSize"] = host["ShmSize"] or SHM_SIZE
    policy = host["RestartPolicy"]
    host["RestartPolicy"] = {
        "Name": policy.get("Name") or "no",
        "MaximumRetryCount": policy.get("MaximumRetryCount") or 0,
    }
    log = host["LogConfig"]
    host["LogConfig"] = {"Type": log.get("Type") or "json-file", "Config": log.get("Config") or {}}
    if not host["Privileged"]:
        host.setdefault("MaskedPaths", list(MASKED_PATHS))
        host.setdefault("ReadonlyPaths", list(READONLY_PATHS))
    else:
        host["MaskedPaths"] = host["ReadonlyPaths"] = None
    return host


def _network_mode(mode: str) -> str:
    return "bridge" if mode in ("", "default") else mode


def merge_image(config: Document, image: Mapping[str, Any]) -> Document:
    """Return `config` with what the image's configuration gives. Source: moby daemon/commit.go merge()."""
    merged = dict(config)
    for name in ("User", "WorkingDir", "StopSignal"):
        if not merged.get(name) and image.get(name):
            merged[name] = image[name]
    for name in ("ExposedPorts", "Volumes"):
        if union := {**(image.get(name) or {}), **(merged.get(name) or {})}:
            merged[name] = union
    merged["Env"] = _merged_env(merged.get("Env") or [], image.get("Env") or [])
    merged["Labels"] = {**(image.get("Labels") or {}), **(merged.get("Labels") or {})}
    _merge_command(merged, image)
    _merge_health(merged, image.get("Healthcheck"))
    return merged


def _merged_env(own: Sequence[str], image: Sequence[str]) -> list[str]:
    keys = {entry.partition("=")[0] for entry in own}
    return [*own, *(entry for entry in image if entry.partition("=")[0] not in keys)]


def _merge_command(merged: Document, image: Mapping[str, Any]) -> None:
    if not merged.get("Entrypoint"):
        if not merged.get("Cmd"):
            merged["Cmd"] = words(image.get("Cmd"))
        if merged.get("Entrypoint") is None:
            merged["Entrypoint"] = words(image.get("Entrypoint"))
    if merged.get("Entrypoint") == [""]:
        merged["Entrypoint"] = None


def _merge_health(merged: Document, image: Mapping[str, Any] | None) -> None:
    if not image:
        return
    own = merged.get("Healthcheck") or {}
    names = ("Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
    merged["Healthcheck"] = {n: v for n in names if (v := own.get(n) or image.get(n))}


def command_line(config: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the program and its arguments; raises InvalidParameter when there is neither."""
    line = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    if not line:
        raise InvalidParameter("no command specified")
    return line[0], tuple(line[1:])
