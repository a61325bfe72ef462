"""/_ping, /version, /info, /auth, /system/df: what this daemon is and holds."""

from __future__ import annotations

import asyncio
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from linkspan import __version__
from linkspan.api.context import engine, json_response, version
from linkspan.api.versions import MAXIMUM, MINIMUM, has, text
from linkspan.engine.engine import Engine

REGISTRY = "https://index.docker.io/v1/"


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.head("/_ping", _ping),
        web.get("/_ping", _ping, allow_head=False),
        web.get("/version", _version, allow_head=False),
        web.get("/info", _info, allow_head=False),
    ]


async def _ping(request: web.Request) -> web.Response:
    headers = {
        "Builder-Version": "1",
        "Swarm": "inactive",
        "Cache-Control": "no-cache, no-store, must-revalidate",
        "Pragma": "no-cache",
    }
    return web.Response(text="" if request.method == "HEAD" else "OK", headers=headers)


async def _version(request: web.Request) -> web.Response:
    kernel = platform.release()
    details = {
        "ApiVersion": text(MAXIMUM),
        "Arch": architecture(),
        "BuildTime": "",
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": f"Python {platform.python_version()}",
        "KernelVersion": kernel,
        "MinAPIVersion": text(MINIMUM),
        "Os": "linux",
    }
    return json_response(
        {
            "Platform": {"Name": "Linkspan"},
            "Components": [{"Name": "Engine", "Version": __version__, "Details": details}],
            "Version": __version__,
            "ApiVersion": text(MAXIMUM),
            "MinAPIVersion": text(MINIMUM),
            "GitCommit": "",
            "GoVersion": f"Python {platform.python_version()}",
            "Os": "linux",
            "Arch": architecture(),
            "KernelVersion": kernel,
            "BuildTime": "",
        }
    )


def architecture() -> str:
    """Return the machine's architecture by the name the Go world, and so Docker, uses."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(machine, machine)


async def _info(request: web.Request) -> web.Response:
    served = engine(request)
    document = await asyncio.to_thread(_host_facts, served)
    document |= await _holdings(served)
    if has(version(request), "firewall backend in info"):
        document["FirewallBackend"] = {"Driver": served.networks.firewall_backend}
    return json_response(document)


async def _holdings(served: Engine) -> dict[str, Any]:
    counts = await served.containers.counts()
    return {
        "Containers": sum(counts.values()),
        "ContainersRunning": counts.get("running", 0),
        "ContainersPaused": counts.get("paused", 0),
        "ContainersStopped": sum(counts.values()) - counts.get("running", 0) - counts.get("paused", 0),
        "Images": await served.images.count(),
    }


def _host_facts(served: Engine) -> dict[str, Any]:
    settings = served.settings
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return {
        "ID": served.id,
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", "extfs"], ["Native Overlay Diff", "true"]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file"],
        },
        "MemoryLimit": True,
        "SwapLimit": True,
        "CpuCfsPeriod": True,
        "CpuCfsQuota": True,
        "CPUShares": True,
        "CPUSet": True,
        "PidsLimit": True,
        "IPv4Forwarding": _enabled("net/ipv4/ip_forward"),
        "BridgeNfIptables": _enabled("net/bridge/bridge-nf-call-iptables"),
        "BridgeNfIp6tables": _enabled("net/bridge/bridge-nf-call-ip6tables"),
        "Debug": settings.debug,
        "NFd": len(list(Path("/proc/self/fd").iterdir())),
        "OomKillDisable": not unified,
        "NGoroutines": len(list(Path("/proc/self/task").iterdir())),
        "SystemTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": "2" if unified else "1",
        "NEventsListener": served.events.listeners,
        "KernelVersion": platform.release(),
        "OperatingSystem": _operating_system(),
        "OSVersion": platform.freedesktop_os_release().get("VERSION_ID", ""),
        "OSType": "linux",
        "Architecture": platform.machine(),
        "IndexServerAddress": REGISTRY,
        "RegistryConfig": _registries(settings.insecure_registries),
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": memory,
        "GenericResources": None,
        "DockerRootDir": str(settings.data_root),
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Name": platform.node(),
        "Labels": list(settings.labels),
        "ExperimentalBuild": False,
        "ServerVersion": __version__,
        "Runtimes": {served.runtime_name: {"path": served.runtime_name}},
        "DefaultRuntime": served.runtime_name,
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
        "LiveRestoreEnabled": settings.live_restore,
        "Isolation": "",
        "InitBinary": "docker-init",
        "ContainerdCommit": {"ID": ""},
        "RuncCommit": {"ID": ""},
        "InitCommit": {"ID": ""},
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "DefaultAddressPools": served.networks.default_address_pools,
        "Warnings": served.warnings or None,
    }


def _enabled(key: str) -> bool:
    path = Path("/proc/sys", key)
    return path.exists() and path.read_text().strip() not in ("0", "")


def _operating_system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")


def _registries(insecure: tuple[str, ...]) -> dict[str, Any]:
    index = {
        "docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": True, "Official": True},
    } | {name: {"Name": name, "Mirrors": [], "Secure": False, "Official": False} for name in insecure}
    return {
        "IndexConfigs": index,
        "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
        "Mirrors": None,
    }
