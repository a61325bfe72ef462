"""Which limits make sense, alone, together and on this machine, in Docker's words (pure).

Source: moby daemon/daemon_unix.go (verifyPlatformContainerResources) and container/container_unix.go
(UpdateContainer).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkspan.model.errors import Conflict, InvalidParameter
from linkspan.runtime.machine import Abilities, numbers

MINIMUM_MEMORY = 6 * 1024 * 1024
_BILLION = 1_000_000_000
Document = Mapping[str, Any]


def spelled(found: frozenset[int]) -> str:
    """Return numbers as the kernel writes them: "0-3,8"."""
    runs: list[list[int]] = []
    for number in sorted(found):
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(str(end) for end in run) for run in runs)


RATES = ("BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps")


def check(host: Document, abilities: Abilities) -> None:
    """Refuse limits that Docker refuses, with InvalidParameter."""
    _check_memory(host)
    _check_processors(host, abilities)
    _check_sets(host, abilities)
    weight = host.get("BlkioWeight") or 0
    if weight and not 10 <= weight <= 1000:
        raise InvalidParameter("Range of blkio weight is from 10 to 1000")


def _check_memory(host: Document) -> None:
    memory, swap = host.get("Memory") or 0, host.get("MemorySwap") or 0
    reserved, swappiness = host.get("MemoryReservation") or 0, host.get("MemorySwappiness")
    if memory and memory < MINIMUM_MEMORY:
        raise InvalidParameter("Minimum memory limit allowed is 6MB")
    if memory > 0 and 0 < swap < memory:
        raise InvalidParameter("Minimum memoryswap limit should be larger than memory limit, see usage")
    if memory == 0 and swap > 0:
        raise InvalidParameter(
            "You should always set the Memory limit when using Memoryswap limit, see usage"
        )
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise InvalidParameter(f"Invalid value: {swappiness}, valid memory swappiness range is 0-100")
    if reserved and reserved < MINIMUM_MEMORY:
        raise InvalidParameter("Minimum memory reservation allowed is 6MB")
    if memory > 0 and memory < reserved:
        raise InvalidParameter(
            "Minimum memory limit can not be less than memory reservation limit, see usage"
        )


def _check_processors(host: Document, abilities: Abilities) -> None:
    nano, count = host.get("NanoCpus") or 0, len(abilities.processors)
    period, quota = host.get("CpuPeriod") or 0, host.get("CpuQuota") or 0
    if nano > 0 and period > 0:
        raise InvalidParameter("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    if nano > 0 and quota > 0:
        raise InvalidParameter("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
    if nano < 0 or nano > count * _BILLION:
        raise InvalidParameter(
            f"range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available"
        )
    if period and not 1000 <= period <= 1_000_000:
        raise InvalidParameter(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < quota < 1000:
        raise InvalidParameter("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def _check_sets(host: Document, abilities: Abilities) -> None:
    for field, word, things, present in (
        ("CpusetCpus", "cpuset cpus", "CPUs", abilities.processors),
        ("CpusetMems", "cpuset mems", "memory nodes", abilities.nodes),
    ):
        text = host.get(field) or ""
        if not text:
            continue
        try:
            wanted = numbers(text)
        except ValueError:
            raise InvalidParameter(f"Invalid value {text} for {word}") from None
        if not wanted <= present:
            raise InvalidParameter(
                f"Requested {things} are not available - requested {text}, available: {spelled(present)}"
            )


def warnings(host: Document, abilities: Abilities) -> list[str]:
    """Return what Docker warns of: limits that this machine does not have, or that are dangerous."""
    found: list[str] = []
    if host.get("BlkioWeight") and not abilities.weighs_block_io:
        found.append(
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."
        )
    if host.get("OomKillDisable") and not host.get("Memory"):
        found.append(
            "OOM killer is disabled for the container, but no memory limit is set, "
            "this can result in the system running out of resources."
        )
    return found


def adapted(host: Document, abilities: Abilities) -> dict[str, Any]:
    """Return the limits as Docker keeps them: swap is twice the memory unless given, unknown weights go."""
    found = dict(host)
    if (found.get("Memory") or 0) > 0 and not found.get("MemorySwap"):
        found["MemorySwap"] = found["Memory"] * 2
    if found.get("MemorySwappiness") == -1:
        found["MemorySwappiness"] = None
    if not found.get("PidsLimit"):
        found["PidsLimit"] = None
    if not abilities.weighs_block_io:
        found["BlkioWeight"] = 0
    return found


def lifted(before: Document, after: Document) -> dict[str, Any]:
    """Return `after` with the rate 0, which is none, for block devices that `before` limits alone.

    A device that is not mentioned keeps its limit in the kernel.
    """
    found = dict(after)
    for name in RATES:
        limited = [entry["Path"] for entry in after.get(name) or ()]
        former = [entry["Path"] for entry in before.get(name) or () if entry["Path"] not in limited]
        found[name] = [*(after.get(name) or ()), *({"Path": path, "Rate": 0} for path in former)]
    return found


def check_update(present: Document, wanted: Document) -> None:
    """Refuse an update that contradicts what the container has, with Conflict."""
    nano, period = wanted.get("NanoCpus") or 0, wanted.get("CpuPeriod") or 0
    quota, memory = wanted.get("CpuQuota") or 0, wanted.get("Memory") or 0
    swap, known_swap = wanted.get("MemorySwap") or 0, present.get("MemorySwap") or 0
    known_nano = present.get("NanoCpus") or 0
    clashes = (
        (nano and present.get("CpuPeriod"), "Nano CPUs cannot be updated as CPU Period has already been set"),
        (nano and present.get("CpuQuota"), "Nano CPUs cannot be updated as CPU Quota has already been set"),
        (period and known_nano, "CPU Period cannot be updated as NanoCPUs has already been set"),
        (quota and known_nano, "CPU Quota cannot be updated as NanoCPUs has already been set"),
    )
    for clash, sentence in clashes:
        if clash:
            raise Conflict(f"Conflicting options: {sentence}")
    if memory and not swap and 0 < known_swap < memory:
        raise Conflict(
            "Memory limit should be smaller than already set memoryswap limit, "
            "update the memoryswap at the same time"
        )
