"""What create refuses before anything is touched, in Docker's words (pure).

Source: moby daemon/container.go (verifyContainerSettings) and runconfig/hostconfig_unix.go (validateNetMode).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from linkspan.engine import option_rules, resource_rules
from linkspan.engine.signals import signal_number
from linkspan.model.errors import InvalidParameter
from linkspan.runtime.machine import Abilities

MILLISECOND = 1_000_000
_PORT = re.compile(r"\d+(?:-\d+)?(?:/[a-z]+)?")


def validate(
    config: Mapping[str, Any], host: Mapping[str, Any], given_hostname: str, abilities: Abilities
) -> list[str]:
    """Check the completed documents; return the warnings.

    `given_hostname` is the hostname of the request (the default one does not conflict with anything),
    `abilities` what limits the machine has.
    Raises InvalidParameter.
    """
    _check_network_mode(config, host, given_hostname)
    _check_config(config)
    _check_restart(host)
    _check_hosts(host)
    _check_dns(host)
    _check_sizes(host)
    resource_rules.check(host, abilities)
    option_rules.check(host)
    return [*_warnings(host), *resource_rules.warnings(host, abilities)]


def _check_config(config: Mapping[str, Any]) -> None:
    if (cwd := config["WorkingDir"]) and not cwd.startswith("/"):
        raise InvalidParameter(f"the working directory '{cwd}' is invalid, it needs to be an absolute path")
    for entry in config["Env"] or ():
        if not entry.partition("=")[0]:
            raise InvalidParameter(f"invalid environment variable: {entry}")
    if config.get("StopSignal"):
        signal_number(config["StopSignal"])
    for port in config.get("ExposedPorts") or {}:
        if not _PORT.fullmatch(str(port)):
            raise InvalidParameter(f'invalid port specification: "{port}"')
    _check_health(config.get("Healthcheck") or {})


def _check_health(health: Mapping[str, Any]) -> None:
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        value = health.get(name) or 0
        if value and value < MILLISECOND:
            raise InvalidParameter(f"{name} in Healthcheck cannot be less than 1ms")
    if (health.get("Retries") or 0) < 0:
        raise InvalidParameter("Retries in Healthcheck cannot be negative")
    test = health.get("Test") or []
    if test and test[0] not in ("NONE", "CMD", "CMD-SHELL", ""):
        raise InvalidParameter(f"unknown healthcheck type: {test[0]}")


def _check_network_mode(config: Mapping[str, Any], host: Mapping[str, Any], hostname: str) -> None:
    mode = str(host["NetworkMode"])
    if mode.startswith("container:") or mode == "container":
        _check_shared_network(mode, config, host, hostname)
    if mode == "host" and host["Links"]:
        raise InvalidParameter(
            "conflicting options: host type networking can't be used with links. "
            "This would result in undefined behavior"
        )
    if mode == "host" and config.get("MacAddress"):
        raise InvalidParameter("conflicting options: mac-address and the network mode")
    if host["UTSMode"] == "host" and hostname:
        raise InvalidParameter("conflicting options: hostname and the UTS mode")


def _check_shared_network(
    mode: str, config: Mapping[str, Any], host: Mapping[str, Any], hostname: str
) -> None:
    if not mode.partition(":")[2]:
        raise InvalidParameter("invalid network mode: invalid container format container:<name|id>")
    conflicts = (
        (hostname, "conflicting options: hostname and the network mode"),
        (
            host["Links"],
            "conflicting options: container type network can't be used with links. "
            "This would result in undefined behavior",
        ),
        (host["Dns"], "conflicting options: dns and the network mode"),
        (host["ExtraHosts"], "conflicting options: custom host-to-IP mapping and the network mode"),
        (config.get("MacAddress"), "conflicting options: mac-address and the network mode"),
        (
            host["PortBindings"] or host["PublishAllPorts"],
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            config.get("ExposedPorts"),
            "conflicting options: port exposing and the container type network mode",
        ),
    )
    for given, sentence in conflicts:
        if given:
            raise InvalidParameter(sentence)


def _check_restart(host: Mapping[str, Any]) -> None:
    check_restart_policy(host["RestartPolicy"])
    if host["AutoRemove"] and host["RestartPolicy"]["Name"] != "no":
        raise InvalidParameter("can't create 'AutoRemove' container with restart policy")


def check_restart_policy(policy: Mapping[str, Any]) -> None:
    """Refuse unknown policies and retry counts that make no sense, with InvalidParameter."""
    name, count = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    if name not in ("no", "always", "on-failure", "unless-stopped"):
        raise InvalidParameter(
            f"invalid restart policy: unknown policy '{name}'; "
            "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )
    if name != "on-failure" and count:
        detail = " and cannot be negative" if count < 0 else ""
        raise InvalidParameter(
            f"invalid restart policy: maximum retry count can only be used with 'on-failure'{detail}"
        )
    if count < 0:
        raise InvalidParameter("invalid restart policy: maximum retry count cannot be negative")


def _check_hosts(host: Mapping[str, Any]) -> None:
    for entry in host["ExtraHosts"] or ():
        name, colon, address = str(entry).partition(":")
        if not colon or not name:
            raise InvalidParameter(f'bad format for add-host: "{entry}"')
        if address != "host-gateway" and not _is_address(address.strip("[]")):
            raise InvalidParameter(f'invalid IP address in add-host: "{address}"')


def _check_dns(host: Mapping[str, Any]) -> None:
    for server in host["Dns"]:
        if not _is_address(str(server)):
            raise InvalidParameter(f"invalid DNS address: {server}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _check_sizes(host: Mapping[str, Any]) -> None:
    if host["ShmSize"] < 0:
        raise InvalidParameter("SHM size can not be less than 0")
    if not -1000 <= host["OomScoreAdj"] <= 1000:
        raise InvalidParameter(
            f"Invalid value {host['OomScoreAdj']}, range for oom score adj is [-1000, 1000]"
        )


def _warnings(host: Mapping[str, Any]) -> list[str]:
    if host["NetworkMode"] == "host" and (host["PortBindings"] or host["PublishAllPorts"]):
        return ["Published ports are discarded when using host network mode"]
    return []


def check_endpoint_modes(mode: str, networks: Sequence[str]) -> None:
    """Refuse attachments that the network mode does not allow, with InvalidParameter."""
    others = [name for name in networks if name not in (mode, "default" if mode == "bridge" else mode)]
    if not others:
        return
    if mode in ("host",) or mode.startswith("container:"):
        raise InvalidParameter(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
        )
    if mode == "none":
        raise InvalidParameter(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
        )
