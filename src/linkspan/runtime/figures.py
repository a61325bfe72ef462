"""What a container uses: cgroup v1 and v2 counters in the shape of Docker's stats."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_UNLIMITED = 1 << 62


def statistics(root: Path, path: str, v2: bool) -> dict[str, Any]:
    """Return cpu_stats, memory_stats, pids_stats and blkio_stats of the cgroup `path` under the mount `root`.

    Counters of controllers that are not there are absent or 0. Source: Docker Engine API, ContainerStats.
    """
    figures = _v2(root / path.lstrip("/")) if v2 else _v1(root, path.lstrip("/"))
    figures["cpu_stats"]["system_cpu_usage"] = _system_cpu()
    figures["cpu_stats"]["online_cpus"] = len(os.sched_getaffinity(0))
    memory = figures["memory_stats"]
    if "limit" in memory and not 0 < memory["limit"] < _UNLIMITED:
        memory["limit"] = _total_memory()
    return figures


def processes(root: Path, path: str, v2: bool) -> list[int]:
    """Return the process ids in the cgroup and those below it, in ascending order."""
    directories = [root] if v2 else [root / name for name in ("pids", "memory", "systemd", "cpu")]
    for directory in directories:
        top = directory / path.lstrip("/")
        if top.is_dir():
            lists = [file.read_text() for file in sorted(top.rglob("cgroup.procs"))]
            return sorted({int(pid) for text in lists for pid in text.split()})
    return []


def remove(root: Path, path: str, v2: bool) -> None:
    """Remove the cgroup from every hierarchy; missing or busy ones are left."""
    for directory in [root] if v2 else sorted(root.glob("*/")):
        top = directory / path.lstrip("/")
        with suppress(OSError):
            for child in sorted((p for p in top.rglob("*") if p.is_dir()), reverse=True):
                child.rmdir()
            top.rmdir()


def _v2(directory: Path) -> dict[str, Any]:
    cpu = _table(directory / "cpu.stat")
    return {
        "cpu_stats": {
            "cpu_usage": {
                "total_usage": cpu.get("usage_usec", 0) * 1000,
                "usage_in_kernelmode": cpu.get("system_usec", 0) * 1000,
                "usage_in_usermode": cpu.get("user_usec", 0) * 1000,
            },
            "throttling_data": {
                "periods": cpu.get("nr_periods", 0),
                "throttled_periods": cpu.get("nr_throttled", 0),
                "throttled_time": cpu.get("throttled_usec", 0) * 1000,
            },
        },
        "memory_stats": _present(
            usage=_number(directory / "memory.current"),
            stats=_table(directory / "memory.stat"),
            limit=_number(directory / "memory.max"),
        ),
        "pids_stats": _pids(directory),
        "blkio_stats": {"io_service_bytes_recursive": _io_v2(directory / "io.stat")},
    }


def _v1(root: Path, path: str) -> dict[str, Any]:
    usage, cpu = root / "cpuacct" / path, _table(root / "cpu" / path / "cpu.stat")
    modes = _table(usage / "cpuacct.stat")
    per_cpu = _read(usage / "cpuacct.usage_percpu").split()
    memory = root / "memory" / path
    return {
        "cpu_stats": {
            "cpu_usage": {
                "total_usage": _number(usage / "cpuacct.usage") or 0,
                "percpu_usage": [int(value) for value in per_cpu],
                "usage_in_kernelmode": modes.get("system", 0) * _TICK,
                "usage_in_usermode": modes.get("user", 0) * _TICK,
            },
            "throttling_data": {
                "periods": cpu.get("nr_periods", 0),
                "throttled_periods": cpu.get("nr_throttled", 0),
                "throttled_time": cpu.get("throttled_time", 0),
            },
        },
        "memory_stats": _present(
            usage=_number(memory / "memory.usage_in_bytes"),
            max_usage=_number(memory / "memory.max_usage_in_bytes"),
            failcnt=_number(memory / "memory.failcnt") or None,
            stats=_table(memory / "memory.stat"),
            limit=_number(memory / "memory.limit_in_bytes"),
        ),
        "pids_stats": _pids(root / "pids" / path),
        "blkio_stats": {
            "io_service_bytes_recursive": _io_v1(root / "blkio" / path / "blkio.throttle.io_service_bytes"),
            "io_serviced_recursive": _io_v1(root / "blkio" / path / "blkio.throttle.io_serviced"),
        },
    }


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != {}}


def _pids(directory: Path) -> dict[str, int]:
    values = {"current": _number(directory / "pids.current"), "limit": _number(directory / "pids.max")}
    # Docker shows an unlimited number of processes as the largest there is.
    if values["current"] is not None and values["limit"] is None:
        values["limit"] = 2**64 - 1
    return {name: value for name, value in values.items() if value is not None}


def _io_v2(file: Path) -> list[dict[str, Any]]:
    entries = []
    for line in _read(file).splitlines():
        device, *fields = line.split()
        major, minor = (int(part) for part in device.split(":"))
        counters = dict(field.split("=") for field in fields)
        for key, name in (("rbytes", "read"), ("wbytes", "write")):
            entries.append({"major": major, "minor": minor, "op": name, "value": int(counters.get(key, 0))})
    return entries


def _io_v1(file: Path) -> list[dict[str, Any]]:
    entries = []
    for fields in (line.split() for line in _read(file).splitlines()):
        if len(fields) == 3:
            major, minor = (int(part) for part in fields[0].split(":"))
            entries.append({"major": major, "minor": minor, "op": fields[1], "value": int(fields[2])})
    return entries


def _table(file: Path) -> dict[str, int]:
    pairs = (line.split() for line in _read(file).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].lstrip("-").isdecimal()}


def _number(file: Path) -> int | None:
    text = _read(file).strip()
    return int(text) if text.lstrip("-").isdecimal() else None


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (FileNotFoundError, OSError):
        return ""


def _system_cpu() -> int:
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
    return sum(int(field) for field in fields) * _TICK


def _total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
