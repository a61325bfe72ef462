"""From a container's documents to what the runtime runs (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from linkspan.engine.files import Files
from linkspan.engine.mounts import SHALLOW
from linkspan.engine.option_rules import security_options
from linkspan.model.container import Container, MountPoint
from linkspan.runtime import devices
from linkspan.runtime.process import ContainerProcess, Device, Mount, Resources, Ulimit

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a container is about to run: its root, log, files, and the namespaces it shares.

    `netns` None is the daemon's own namespace; `pid` and `ipc` are paths of another container's namespaces,
    or "" for what HostConfig says; `shm` is the /dev/shm of the container whose IPC namespace is shared;
    `ulimits`, `no_new_privileges` and `seccomp` hold where HostConfig says nothing of its own; `links` are
    the variables of linked containers.
    """

    rootfs: Path
    log: Path
    files: Files
    hostname: str
    domainname: str
    netns: str | None = None
    pid: str = ""
    ipc: str = ""
    shm: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    trees: frozenset[str] = frozenset()
    ulimits: tuple[Ulimit, ...] = ()
    no_new_privileges: bool = False
    seccomp: str = ""
    links: tuple[str, ...] = ()


def container_process(container: Container, place: Place) -> ContainerProcess:
    """Return everything the runtime needs to create `container` at `place`."""
    config, host = container.config, container.host_config
    security = security_options(host.get("SecurityOpt") or ())
    return ContainerProcess(
        id=container.id,
        rootfs=place.rootfs,
        log_path=place.log,
        args=(container.path, *container.args),
        env=environment(config, place.hostname, place.links),
        cwd=config.get("WorkingDir") or "/",
        user=config.get("User") or "",
        groups=tuple(str(group) for group in host.get("GroupAdd") or ()),
        terminal=container.tty,
        console_size=_console_size(host),
        open_stdin=bool(config.get("OpenStdin")),
        stdin_once=bool(config.get("StdinOnce")),
        netns=place.netns,
        hostname=place.hostname,
        domainname=place.domainname,
        pid=place.pid or host.get("PidMode") or "private",
        ipc=place.ipc or host.get("IpcMode") or "private",
        uts=host.get("UTSMode") or "private",
        cgroupns=host.get("CgroupnsMode") or "",
        mounts=tuple(_mounts(container.mounts, place)),
        tmpfs=tuple((host.get("Tmpfs") or {}).items()),
        shm_size=host["ShmSize"],
        shm_path=place.shm,
        readonly=bool(host.get("ReadonlyRootfs")),
        privileged=bool(host.get("Privileged")),
        cap_add=tuple(host.get("CapAdd") or ()),
        cap_drop=tuple(host.get("CapDrop") or ()),
        no_new_privileges=security.get("no-new-privileges", str(place.no_new_privileges).lower()) != "false",
        seccomp=security.get("seccomp", place.seccomp),
        masked_paths=_paths(host.get("MaskedPaths")),
        readonly_paths=_paths(host.get("ReadonlyPaths")),
        devices=tuple(_device(entry) for entry in host.get("Devices") or ()),
        device_rules=tuple(host.get("DeviceCgroupRules") or ()),
        resources=resources(host),
        ulimits=_ulimits(host, place.ulimits),
        sysctls=tuple((host.get("Sysctls") or {}).items()),
        oom_score_adj=host.get("OomScoreAdj") or 0,
        umask=host.get("Umask"),
        init=bool(host.get("Init")),
        annotations=tuple((host.get("Annotations") or {}).items()),
        cgroup_parent=host.get("CgroupParent") or "",
    )


def environment(config: Mapping[str, Any], hostname: str, links: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the process's environment: Docker's own variables and those of links, overridden by its own."""
    own = [PATH, f"HOSTNAME={hostname}", *(["TERM=xterm"] if config.get("Tty") else []), *links]
    merged = dict(entry.partition("=")[::2] for entry in own)
    for entry in config.get("Env") or ():
        key, equals, value = entry.partition("=")
        if equals:
            merged[key] = value
        else:
            merged.pop(key, None)
    return tuple(f"{key}={value}" for key, value in merged.items())


def _console_size(host: Mapping[str, Any]) -> tuple[int, int]:
    size = host.get("ConsoleSize") or [0, 0]
    return int(size[0]), int(size[1])


def _paths(value: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _mounts(points: Sequence[MountPoint], place: Place) -> list[Mount]:
    taken = {point.destination for point in points}
    own = (
        ("/etc/resolv.conf", place.files.resolv),
        ("/etc/hostname", place.files.hostname),
        ("/etc/hosts", place.files.hosts),
    )
    found = [Mount(target, str(source)) for target, source in own if target not in taken]
    return found + [_mount(point, place) for point in points]


def _mount(point: MountPoint, place: Place) -> Mount:
    """Read-only is so for what is mounted below too, unless asked otherwise. Source: moby oci_linux.go."""
    if point.type == "tmpfs":
        return Mount(point.destination, "tmpfs", "tmpfs", (*point.options, "ro" if point.read_only else "rw"))
    deep = point.destination in place.trees and not {SHALLOW, "bind"} & set(point.options)
    access = ("rro" if deep else "ro") if point.read_only else "rw"
    recursion = "bind" if "bind" in point.options else "rbind"
    source = place.sources.get(point.destination, point.source)
    return Mount(point.destination, source, "bind", (recursion, point.propagation or "rprivate", access))


def _device(entry: Mapping[str, Any]) -> Device:
    path = entry.get("PathOnHost") or ""
    return Device(path, entry.get("PathInContainer") or path, entry.get("CgroupPermissions") or "rwm")


def _ulimits(host: Mapping[str, Any], defaults: Sequence[Ulimit]) -> tuple[Ulimit, ...]:
    own = [_ulimit(entry) for entry in host.get("Ulimits") or ()]
    named = {limit.name for limit in own}
    return (*own, *(limit for limit in defaults if limit.name not in named))


def _ulimit(entry: Mapping[str, Any]) -> Ulimit:
    soft = int(entry.get("Soft") or 0)
    return Ulimit(str(entry.get("Name")), soft, int(entry.get("Hard") or soft))


def resources(host: Mapping[str, Any]) -> Resources:
    """Return the cgroup limits of HostConfig; what is 0 there is not limited."""

    def limit(name: str) -> int | None:
        return host.get(name) or None

    return Resources(
        memory=limit("Memory"),
        memory_swap=limit("MemorySwap"),
        memory_reservation=limit("MemoryReservation"),
        memory_swappiness=_swappiness(host.get("MemorySwappiness")),
        oom_kill_disable=bool(host.get("OomKillDisable")),
        cpu_shares=limit("CpuShares"),
        cpu_quota=limit("CpuQuota"),
        cpu_period=limit("CpuPeriod"),
        nano_cpus=limit("NanoCpus"),
        cpuset_cpus=host.get("CpusetCpus") or "",
        cpuset_mems=host.get("CpusetMems") or "",
        pids_limit=limit("PidsLimit"),
        blkio_weight=limit("BlkioWeight"),
        rates=tuple(
            devices.rate(kind, str(entry.get("Path")), int(entry.get("Rate") or 0))
            for kind in ("ReadBps", "WriteBps", "ReadIOps", "WriteIOps")
            for entry in host.get(f"BlkioDevice{kind}") or ()
        ),
    )


def _swappiness(value: int | None) -> int | None:
    return None if value is None or value < 0 else value
