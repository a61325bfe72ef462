"""What the machine offers to containers: cgroup version, swap accounting, capabilities, instruction set."""

from __future__ import annotations

import platform
from pathlib import Path

from linkspan.runtime import capabilities
from linkspan.runtime.spec import Host


def look(cgroup_root: Path, cgroup_v2: bool) -> Host:
    """Return the facts that hold for every container; `cgroup_root` is where the hierarchies are mounted."""
    return Host(
        machine=platform.machine(),
        cgroup_v2=cgroup_v2,
        swap_accounting=_swap_accounting(cgroup_root, cgroup_v2),
        last_capability=_last_capability(),
    )


def _swap_accounting(cgroup_root: Path, cgroup_v2: bool) -> bool:
    if not cgroup_v2:
        return (cgroup_root / "memory/memory.memsw.limit_in_bytes").exists()
    # The root cgroup has no swap file: ask its children; before the first one, believe the kernel.
    children = [child for child in cgroup_root.iterdir() if (child / "memory.max").exists()]
    return not children or any((child / "memory.swap.max").exists() for child in children)


def _last_capability() -> int:
    known = len(capabilities.ALL) - 1
    try:
        return min(known, int(Path("/proc/sys/kernel/cap_last_cap").read_text()))
    except FileNotFoundError:
        return known
