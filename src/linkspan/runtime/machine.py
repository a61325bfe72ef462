"""What the machine offers to containers: cgroup version, swap accounting, capabilities, machine."""

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
