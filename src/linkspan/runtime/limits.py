"""Cgroup limits: Docker's resource fields as the OCI `linux.resources` section (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from linkspan.model.errors import InvalidParameter
from linkspan.runtime.process import Resources

_PERIOD = 100_000
_THROTTLES = {"ReadBps": "ReadBps", "WriteBps": "WriteBps", "ReadIOps": "ReadIOPS", "WriteIOps": "WriteIOPS"}
# What every container may touch: making any node, the standard nodes, consoles and pseudo-terminals.
_DEVICE_RULES = (
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
)


def section(resources: Resources, swap_accounting: bool = True) -> dict[str, Any]:
    """Return memory, cpu, pids and blockIO limits; what is not set is absent.

    Without `swap_accounting` in the kernel the swap limit is left out, as Docker does (with a warning).
    """
    parts = {
        "memory": _memory(resources, swap_accounting),
        "cpu": _cpu(resources),
        "pids": {"limit": resources.pids_limit} if resources.pids_limit else {},
        "blockIO": _block_io(resources),
    }
    return {name: part for name, part in parts.items() if part}


def _block_io(resources: Resources) -> dict[str, Any]:
    found: dict[str, Any] = {"weight": resources.blkio_weight} if resources.blkio_weight else {}
    for rate in resources.rates:
        entry = {"major": rate.major, "minor": rate.minor, "rate": rate.value}
        found.setdefault(f"throttle{_THROTTLES[rate.kind]}Device", []).append(entry)
    return found


def device_rules(privileged: bool, rules: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the device cgroup's list: everything when privileged, else the standard nodes and `rules`.

    A rule is written as the kernel does, "c 1:3 rwm". Raises InvalidParameter for another shape.
    """
    if privileged:
        return [{"allow": True, "access": "rwm"}]
    return [{"allow": False, "access": "rwm"}, *(_device_rule(rule) for rule in (*_DEVICE_RULES, *rules))]


def _device_rule(rule: str) -> dict[str, Any]:
    try:
        kind, numbers, access = rule.split()
        major, minor = numbers.split(":")
        parsed: dict[str, Any] = {"allow": True, "type": kind, "access": access}
        parsed |= {key: int(n) for key, n in (("major", major), ("minor", minor)) if n != "*"}
    except ValueError as error:
        raise InvalidParameter(f"invalid device cgroup rule format: '{rule}'") from error
    return parsed


def _memory(resources: Resources, swap_accounting: bool) -> dict[str, Any]:
    swap = resources.memory_swap
    if not swap and resources.memory and resources.memory > 0:
        swap = 2 * resources.memory
    values = {
        "limit": resources.memory or None,
        "reservation": resources.memory_reservation or None,
        "swap": (swap or None) if swap_accounting else None,
        "swappiness": None if resources.memory_swappiness == -1 else resources.memory_swappiness,
        "disableOOMKiller": resources.oom_kill_disable or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _cpu(resources: Resources) -> dict[str, Any]:
    quota, period = resources.cpu_quota, resources.cpu_period
    if resources.nano_cpus:
        quota, period = resources.nano_cpus * _PERIOD // 1_000_000_000, _PERIOD
    values = {
        "shares": resources.cpu_shares,
        "quota": quota,
        "period": period,
        "cpus": resources.cpuset_cpus,
        "mems": resources.cpuset_mems,
    }
    return {name: value for name, value in values.items() if value}
