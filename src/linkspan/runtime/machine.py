"""What the machine offers to containers: cgroup version, swap accounting, capabilities, machine."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from linkspan.runtime import capabilities
from linkspan.runtime.spec import Host


@dataclass(frozen=True, slots=True)
class Abilities:
    """What this machine can do for a container.

    `processors` and `nodes` (of memory) are numbers; `weighs_block_io` says that the block I/O controller
    takes weights, `cgroup_namespaces` that containers get their own, `recursive_read_only` that all of a
    tree of mounts can be made read-only (Linux 5.12).
    """

    processors: frozenset[int]
    nodes: frozenset[int] = frozenset({0})
    weighs_block_io: bool = True
    recursive_read_only: bool = True
    cgroup_namespaces: bool = True


def abilities(cgroup_root: Path, cgroup_v2: bool) -> Abilities:
    """Return what limits can be set; `cgroup_root` is where the hierarchies are mounted."""
    return Abilities(
        processors=_online("cpu") or frozenset(os.sched_getaffinity(0)),
        nodes=_online("node") or frozenset({0}),
        weighs_block_io=cgroup_v2 or (cgroup_root / "blkio/blkio.weight").exists(),
        recursive_read_only=_kernel() >= (5, 12),
        cgroup_namespaces=cgroup_v2,
    )


def _kernel() -> tuple[int, int]:
    major, minor, *_ = platform.release().split("-")[0].split(".")
    return int(major), int(minor)


def numbers(text: str) -> frozenset[int]:
    """Return the numbers of a list as the kernel writes it, "0-3,8"; raises ValueError."""
    found: set[int] = set()
    for piece in text.strip().split(","):
        first, dash, last = piece.partition("-")
        found |= set(range(int(first), int(last if dash else first) + 1))
    return frozenset(found)


def _online(kind: str) -> frozenset[int]:
    file = Path("/sys/devices/system", kind, "online")
    return numbers(file.read_text()) if file.exists() else frozenset()


def look(cgroup_root: Path, cgroup_v2: bool) -> Host:
    """Return the facts that hold for every container; `cgroup_root` is where the hierarchies are mounted."""
    return Host(
        machine=platform.machine(),
        cgroup_v2=cgroup_v2,
        swap_accounting=_swap_accounting(cgroup_root, cgroup_v2),
        capabilities=_capabilities(),
    )


def _swap_accounting(cgroup_root: Path, cgroup_v2: bool) -> bool:
    if not cgroup_v2:
        return (cgroup_root / "memory/memory.memsw.limit_in_bytes").exists()
    # The root cgroup has no swap file: ask its children; before the first one, believe the kernel.
    children = [child for child in cgroup_root.iterdir() if (child / "memory.max").exists()]
    return not children or any((child / "memory.swap.max").exists() for child in children)


def _capabilities() -> tuple[str, ...]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return capabilities.from_mask(
        next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    )
