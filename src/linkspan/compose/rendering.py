"""A project written out as compose's `config` writes it, and the hashes that tell whether something changed.

Services and networks are written with the fields in the order of compose-go's Go structs and without empty
values; the hash is the SHA-256 of that JSON, which makes it the hash that Docker's own compose computes.
Source: docker/compose pkg/compose/hash.go, compose-go types.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from linkspan.compose.project import Project, Service

Shape = dict[str, Any]

_BUILD = (
    "context dockerfile dockerfile_inline entitlements args provenance sbom ssh labels cache_from cache_to "
    "no_cache no_cache_filter additional_contexts pull extra_hosts isolation network target secrets shm_size "
    "tags ulimits platforms privileged"
)
_RESOURCE = "cpus memory pids devices generic_resources"
_UPDATE = "parallelism delay failure_action monitor max_failure_ratio order"
_HOOK = "command user privileged working_dir environment"
_GRANT = "source target uid gid mode"

#: the fields of a struct in their order; a field's own struct is under its name, "*" is the one of all values
_SERVICE: Shape = {
    "": (
        "profiles annotations attach build develop blkio_config cap_add cap_drop cgroup_parent cgroup "
        "cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpus cpuset cpu_shares "
        "command configs container_name credential_spec depends_on deploy device_cgroup_rules devices "
        "dns dns_opt dns_search domainname entrypoint provider environment env_file expose extends "
        "external_links extra_hosts group_add gpus hostname healthcheck image init ipc isolation labels "
        "label_file links logging mem_limit mem_reservation memswap_limit mem_swappiness mac_address "
        "models network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports "
        "privileged pull_policy read_only restart runtime scale secrets security_opt shm_size stdin_open "
        "stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user "
        "userns_mode uts volumes volumes_from working_dir post_start pre_stop"
    ),
    "build": {"": _BUILD},
    "blkio_config": {
        "": "weight weight_device device_read_bps device_read_iops device_write_bps device_write_iops"
    },
    "configs": {"*": {"": _GRANT}},
    "secrets": {"*": {"": _GRANT}},
    "depends_on": {"*": {"": "condition restart required"}},
    "deploy": {
        "": (
            "mode replicas labels update_config rollback_config resources restart_policy placement "
            "endpoint_mode"
        ),
        "update_config": {"": _UPDATE},
        "rollback_config": {"": _UPDATE},
        "resources": {"": "limits reservations", "limits": {"": _RESOURCE}, "reservations": {"": _RESOURCE}},
        "restart_policy": {"": "condition delay max_attempts window"},
        "placement": {"": "constraints preferences max_replicas_per_node"},
    },
    "devices": {"*": {"": "source target permissions"}},
    "gpus": {"*": {"": "capabilities driver count device_ids options"}},
    "healthcheck": {"": "test timeout interval retries start_period start_interval disable"},
    "logging": {"": "driver options"},
    "networks": {
        "*": {
            "": (
                "aliases driver_opts gw_priority interface_name ipv4_address ipv6_address link_local_ips "
                "mac_address priority"
            )
        }
    },
    "ports": {"*": {"": "name mode host_ip target published protocol app_protocol"}},
    "ulimits": {"*": {"": "single soft hard"}},
    "volumes": {
        "*": {
            "": "type source target read_only consistency bind volume tmpfs image",
            "bind": {"": "selinux propagation create_host_path recursive"},
            "volume": {"": "labels nocopy subpath"},
            "tmpfs": {"": "size mode"},
        }
    },
    "post_start": {"*": {"": _HOOK}},
    "pre_stop": {"*": {"": _HOOK}},
}
_NETWORK: Shape = {
    "": "name driver driver_opts ipam external internal attachable labels enable_ipv4 enable_ipv6",
    "ipam": {"": "driver config", "config": {"*": {"": "subnet gateway ip_range aux_addresses"}}},
}
_VOLUME: Shape = {"": "name driver driver_opts external labels"}
_FILE: Shape = {
    "": "name file environment content external labels driver driver_opts template_driver",
}
#: written even when they are empty
_KEPT = (
    "command",
    "entrypoint",
    "networks",
    "ipam",
    "volume",
    "resources",
    "placement",
    "init",
    "attach",
    "bind",
)
#: what says nothing about a container: excluded from the hash
_NOT_HASHED = ("build", "pull_policy", "scale", "depends_on", "profiles")


def ordered(value: Any, shape: Shape) -> Any:
    """A document with its fields in the struct's order; mappings that are no structs by key."""
    if isinstance(value, Mapping):
        if "" in shape:
            keys: Sequence[str] = [
                key for key in shape[""].split() if key in value and _written(key, value[key])
            ]
        else:
            keys = sorted(value)
        return {key: ordered(value[key], shape.get(key) or shape.get("*") or {}) for key in keys}
    if isinstance(value, list):
        return [ordered(each, shape.get("*") or {}) for each in value]
    return value


def _written(key: str, value: Any) -> bool:
    """Go's omitempty, but for the fields that are pointers or always written."""
    if key in _KEPT or (key in ("replicas", "scale", "required") and value is not None):
        return True
    return value not in (None, "", False, 0) and value != [] and value != {}


def service(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A service as `config` writes it."""
    given = dict(definition)
    given.setdefault("command", None)
    given.setdefault("entrypoint", None)
    given["secrets"] = [
        {"target": f"/run/secrets/{grant['source']}", **grant} for grant in definition.get("secrets") or ()
    ]
    result: dict[str, Any] = ordered(given, _SERVICE)
    return result


def network(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A network as `config` writes it."""
    result: dict[str, Any] = ordered({**definition, "ipam": definition.get("ipam") or {}}, _NETWORK)
    return result


def volume(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A volume as `config` writes it."""
    result: dict[str, Any] = ordered(definition, _VOLUME)
    return result


def document(project: Project) -> dict[str, Any]:
    """The whole project as `config --format json` writes it."""
    sections: dict[str, Any] = {
        "configs": {key: ordered(each, _FILE) for key, each in project.configs.items()},
        "name": project.name,
        "networks": {key: network(each) for key, each in project.networks.items()},
        "secrets": {key: ordered(each, _FILE) for key, each in project.secrets.items()},
        "services": {key: service(each.definition) for key, each in sorted(project.services.items())},
        "volumes": {key: volume(each) for key, each in project.volumes.items()},
        **dict(sorted(project.extensions.items())),
    }
    kept = {key: value for key, value in sections.items() if value or key in ("name", "services")}
    result: dict[str, Any] = dollars(kept)
    return result


def dollars(value: Any) -> Any:
    """Dollar signs doubled, so that what is written can be read again."""
    if isinstance(value, Mapping):
        return {key: dollars(each) for key, each in value.items()}
    if isinstance(value, list):
        return [dollars(each) for each in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def service_hash(given: Service) -> str:
    """The config-hash of a service's containers."""
    definition = {key: value for key, value in given.definition.items() if key not in _NOT_HASHED}
    if "deploy" in definition:
        definition["deploy"] = {key: each for key, each in definition["deploy"].items() if key != "replicas"}
    return digest(service(definition))


def network_hash(definition: Mapping[str, Any]) -> str:
    """The config-hash of a network."""
    return digest(network(definition))


def volume_hash(definition: Mapping[str, Any]) -> str:
    """The config-hash of a volume."""
    return digest(volume({"driver": "local", **definition}))


def digest(document: Any) -> str:
    """SHA-256 of a document as Go's encoding/json writes it."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    for letter, escape in (
        ("&", "\\u0026"),
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(letter, escape)
    return hashlib.sha256(text.encode()).hexdigest()
