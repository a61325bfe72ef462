"""Resource limits and devices of a service, as the daemon's HostConfig has them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkspan.compose.project import Service


def limits(service: Service) -> dict[str, Any]:
    """Memory, processors, processes, ulimits, devices; `deploy.resources` where the service says nothing."""
    resources = (service.get("deploy") or {}).get("resources") or {}
    most, least = resources.get("limits") or {}, resources.get("reservations") or {}
    pids = service.get("pids_limit", most.get("pids"))
    return {
        "Memory": _bytes(service.get("mem_limit", most.get("memory"))),
        "MemoryReservation": _bytes(service.get("mem_reservation", least.get("memory"))),
        "MemorySwap": _bytes(service.get("memswap_limit")),
        "MemorySwappiness": _bytes(service.get("mem_swappiness")),
        "ShmSize": _bytes(service.get("shm_size")),
        "NanoCpus": _nano(service.get("cpus", most.get("cpus"))),
        "CpuShares": service.get("cpu_shares"),
        "CpuPeriod": service.get("cpu_period"),
        "CpuQuota": service.get("cpu_quota"),
        "CpuRealtimePeriod": service.get("cpu_rt_period"),
        "CpuRealtimeRuntime": service.get("cpu_rt_runtime"),
        "CpuCount": service.get("cpu_count"),
        "CpuPercent": service.get("cpu_percent"),
        "CpusetCpus": service.get("cpuset"),
        "PidsLimit": pids,
        "OomScoreAdj": service.get("oom_score_adj"),
        "OomKillDisable": service.get("oom_kill_disable"),
        "Ulimits": [_ulimit(name, each) for name, each in (service.get("ulimits") or {}).items()],
        "Devices": [_device(each) for each in service.get("devices") or ()],
        "DeviceCgroupRules": service.get("device_cgroup_rules"),
        **_blocks(service.get("blkio_config") or {}),
    }


def _bytes(value: str | None) -> int | None:
    return None if value is None else int(value)


def _nano(cpus: float | None) -> int | None:
    return None if cpus is None else round(cpus * 1_000_000_000)


def _ulimit(name: str, given: Mapping[str, int] | int) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return {"Name": name, "Soft": given["soft"], "Hard": given["hard"]}
    return {"Name": name, "Soft": given, "Hard": given}


def _device(given: Mapping[str, str]) -> dict[str, str]:
    return {
        "PathOnHost": given["source"],
        "PathInContainer": given["target"],
        "CgroupPermissions": given["permissions"],
    }


def _blocks(given: Mapping[str, Any]) -> dict[str, Any]:
    fields = {
        "device_read_bps": "BlkioDeviceReadBps",
        "device_write_bps": "BlkioDeviceWriteBps",
        "device_read_iops": "BlkioDeviceReadIOps",
        "device_write_iops": "BlkioDeviceWriteIOps",
    }
    found: dict[str, Any] = {
        field: [{"Path": each["path"], "Rate": each["rate"]} for each in given[key]]
        for key, field in fields.items()
        if key in given
    }
    return {**found, "BlkioWeight": given.get("weight")}
