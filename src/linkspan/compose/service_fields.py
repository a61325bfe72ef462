"""How each field of a service becomes canonical: a table, and the grammars that only fields have (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkspan.compose import ports, values, volumes
from linkspan.compose import service_structures as structures
from linkspan.compose.conversion import Converter, entries, environment, flat, one_by_one, text_map
from linkspan.compose.source import Map, Seq, find
from linkspan.compose.values import boolean, duration, integer, number, size, text

#: fields whose null means something
NULLABLE = ("command", "entrypoint")


def switch(value: Any, _directory: str, _home: str) -> bool:
    return boolean(value)


def whole(value: Any, _directory: str, _home: str) -> int:
    return integer(value)


def decimal(value: Any, _directory: str, _home: str) -> int | float:
    return number(value)


def size_text(value: Any, _directory: str, _home: str) -> str:
    return str(size(value))


def duration_text(value: Any, _directory: str, _home: str) -> str:
    return duration(value)


def plain_text(value: Any, _directory: str, _home: str) -> str:
    return text(value)


def command(value: Any, _directory: str, _home: str) -> list[str] | None:
    return values.command_line(value)


def texts(value: Any, _directory: str, _home: str) -> Seq:
    """A list of texts, or a single one."""
    return one_by_one([value] if not isinstance(value, list) else value, text)


def extra_hosts(value: Any, _directory: str, _home: str) -> Seq:
    """name=address, sorted by nothing: the order of the file."""
    if isinstance(value, Mapping):
        pairs = [(key, each) for key, found in value.items() for each in _listed(found)]
        return Seq([f"{name}={str(address).strip('[]')}" for name, address in pairs])
    return one_by_one(value, _extra_host)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _extra_host(item: Any) -> str:
    name, sign, address = str(item).partition("=")
    if not sign:
        name, sign, address = str(item).partition(":")
    if not name or not address:
        raise ValueError(f'"{item}" is not name:address')
    return f"{name}={address.strip('[]')}"


def depends_on(value: Any, _directory: str, _home: str) -> Map:
    """A mapping service -> condition, required, restart; a plain list means "started"."""
    if not isinstance(value, Mapping):
        result = Map(mark=getattr(value, "mark", None))
        for position, name in enumerate(value):
            result[name] = {"condition": "service_started", "required": True}
            if mark := find(value, (position,)):
                result.marks[name] = mark
        return result
    return entries(value, _dependency)


def _dependency(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"condition": given["condition"]}
    if boolean(given.get("restart", False)):
        found["restart"] = True
    return {**found, "required": boolean(given.get("required", True))}


def networks(value: Any, _directory: str, _home: str) -> Map:
    """A mapping network -> endpoint settings (null: none)."""
    if not isinstance(value, Mapping):
        result = Map(mark=getattr(value, "mark", None))
        for position, name in enumerate(value):
            result[name] = None
            if mark := find(value, (position,)):
                result.marks[name] = mark
        return result
    return entries(value, _endpoint)


def _endpoint(given: Map | None) -> Map | None:
    if given is None:
        return None
    found = Map(given, given.marks, given.mark)
    for key in ("priority", "gw_priority"):
        if key in found:
            found[key] = integer(found[key])
    if "driver_opts" in found:
        found["driver_opts"] = text_map(found["driver_opts"] or {}, "", "")
    return found


def port_list(value: Any, _directory: str, _home: str) -> Seq:
    return flat(value, ports.expand)


def mounts(value: Any, directory: str, home: str) -> Seq:
    return one_by_one(value, lambda item: volumes.expand(item, directory, home))


def extends(value: Any, _directory: str, _home: str) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {"service": str(value)}


FIELDS: dict[str, Converter] = {
    "command": command,
    "entrypoint": command,
    "environment": environment,
    "depends_on": depends_on,
    "networks": networks,
    "ports": port_list,
    "volumes": mounts,
    "env_file": structures.files,
    "label_file": structures.files,
    "secrets": structures.grants,
    "configs": structures.grants,
    "healthcheck": structures.healthcheck,
    "ulimits": structures.ulimits,
    "devices": structures.devices,
    "logging": structures.logging,
    "build": structures.build,
    "gpus": structures.gpus,
    "post_start": structures.hooks,
    "pre_stop": structures.hooks,
    "blkio_config": structures.block_limits,
    "deploy": structures.deploy,
    "extends": extends,
    "extra_hosts": extra_hosts,
    "pids_limit": whole,
    "oom_score_adj": whole,
    "scale": whole,
    "cpus": decimal,
    "stop_grace_period": duration_text,
    **dict.fromkeys(("labels", "annotations", "sysctls", "storage_opt"), text_map),
    **dict.fromkeys(("dns", "dns_search", "dns_opt", "tmpfs", "expose", "group_add"), texts),
    **dict.fromkeys(("cap_add", "cap_drop", "security_opt", "links", "external_links", "profiles"), texts),
    **dict.fromkeys(("volumes_from", "device_cgroup_rules"), texts),
    **dict.fromkeys(
        ("attach", "init", "oom_kill_disable", "privileged", "read_only", "stdin_open", "tty"), switch
    ),
    **dict.fromkeys(("cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_shares"), decimal),
    **dict.fromkeys(("cpu_rt_period", "cpu_rt_runtime"), decimal),
    **dict.fromkeys(
        ("mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness", "shm_size"), size_text
    ),
}
