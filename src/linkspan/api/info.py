"""What `docker info` says of the host and of the daemon's settings, section by section."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from linkspan import __version__
from linkspan.api.versions import ApiVersion, has
from linkspan.engine.engine import Engine
from linkspan.model.errors import LinkspanError
from linkspan.network.drivers import driver_names
from linkspan.runtime.programs import find_init

REGISTRY = "https://index.docker.io/v1/"


def host_facts(served: Engine, asked: ApiVersion) -> dict[str, Any]:
    """Return every part of GET /info that does not count containers and images, as `asked` knows it.

    Blocking: reads files, and asks programs for their versions the first time.
    """
    document = _host() | _abilities() | _process(served) | _daemon(served) | _nothing_here()
    document |= _programs(served.runtime_name)
    if has(asked, "firewall backend in info"):
        document["FirewallBackend"] = {"Driver": served.networks.firewall_backend}
    return _with_legacy(document, asked)


def _with_legacy(document: dict[str, Any], asked: ApiVersion) -> dict[str, Any]:
    """Add what older clients find in the answer. Source: moby daemon/server/router/system, getInfo."""
    if not has(asked, "info without bridge filters"):
        document |= {"BridgeNfIptables": False, "BridgeNfIp6tables": False}
    if not has(asked, "commits without Expected"):
        for name in ("ContainerdCommit", "RuncCommit", "InitCommit"):
            document[name] = {**document[name], "Expected": document[name]["ID"]}
        document["RegistryConfig"] |= {
            "AllowNondistributableArtifactsCIDRs": None,
            "AllowNondistributableArtifactsHostnames": None,
        }
    return document


def _host() -> dict[str, Any]:
    release = platform.freedesktop_os_release()
    return {
        "Name": platform.node(),
        "KernelVersion": platform.release(),
        "OperatingSystem": release.get("PRETTY_NAME", "Linux"),
        "OSVersion": release.get("VERSION_ID", ""),
        "OSType": "linux",
        "Architecture": platform.machine(),
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "SystemTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }


def _abilities() -> dict[str, Any]:
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    limits = ("MemoryLimit", "SwapLimit", "CpuCfsPeriod", "CpuCfsQuota", "CPUShares", "CPUSet", "PidsLimit")
    return dict.fromkeys(limits, True) | {
        "OomKillDisable": not unified,
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": "2" if unified else "1",
        "IPv4Forwarding": _enabled("net/ipv4/ip_forward"),
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", "extfs"], ["Native Overlay Diff", "true"]],
        "Plugins": {
            "Volume": ["local"],
            "Network": list(driver_names()),
            "Authorization": None,
            "Log": ["json-file"],
        },
    }


def _programs(runtime: str) -> dict[str, Any]:
    """Return which programs stand here for containerd, runc and docker-init, as clients print them."""
    found = {"ContainerdCommit": "conmon", "RuncCommit": runtime, "InitCommit": _init()}
    return {field: {"ID": _version_of(program)} for field, program in found.items()}


def _init() -> str:
    try:
        return find_init()
    except LinkspanError:
        return ""


@cache
def _version_of(program: str) -> str:
    """Return the first line of `program --version`, the name for what says nothing, "N/A" for no program."""
    name = Path(program).name
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, ValueError):
        return "N/A"
    line = done.stdout.strip().partition("\n")[0].replace(" version", "")
    return line if done.returncode == 0 and line else name


def _enabled(key: str) -> bool:
    path = Path("/proc/sys", key)
    return path.exists() and path.read_text().strip() not in ("0", "")


def _process(served: Engine) -> dict[str, Any]:
    return {
        "Debug": served.settings.debug,
        "NFd": len(list(Path("/proc/self/fd").iterdir())),
        "NGoroutines": len(list(Path("/proc/self/task").iterdir())),
        "NEventsListener": served.events.listeners,
    }


def _daemon(served: Engine) -> dict[str, Any]:
    settings = served.settings
    return {
        "ID": served.id,
        "ServerVersion": __version__,
        "LoggingDriver": "json-file",
        "IndexServerAddress": REGISTRY,
        "RegistryConfig": _registries(settings.insecure_registries),
        "DockerRootDir": str(settings.data_root),
        "Labels": list(settings.labels),
        "Runtimes": {served.runtime_name: {"path": served.runtime_name}},
        "DefaultRuntime": served.runtime_name,
        "LiveRestoreEnabled": settings.live_restore,
        "InitBinary": "docker-init",
        "DefaultAddressPools": served.networks.default_address_pools,
        "Warnings": [f"WARNING: {warning}" for warning in served.warnings] or None,
    }


def _registries(insecure: tuple[str, ...]) -> dict[str, Any]:
    names = {"docker.io": True} | dict.fromkeys(insecure, False)
    return {
        "IndexConfigs": {
            name: {"Name": name, "Mirrors": [], "Secure": secure, "Official": name == "docker.io"}
            for name, secure in names.items()
        },
        "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
        "Mirrors": None,
    }


def _nothing_here() -> dict[str, Any]:
    """Return the fields clients expect that have nothing behind them here: swarm, proxies, isolation."""
    return {
        "ExperimentalBuild": False,
        "GenericResources": None,
        "CDISpecDirs": [],
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Isolation": "",
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
    }
