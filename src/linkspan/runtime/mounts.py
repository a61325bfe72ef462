"""The mounts of a container: Docker's default ones, the user's over them, and the hidden paths (pure)."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from linkspan.runtime.process import HOST, ContainerProcess, Mount

# Source: moby oci/defaults.go.
MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
INIT_TARGET = "/sbin/docker-init"

_SAFE = ("nosuid", "noexec", "nodev")


def section(process: ContainerProcess, init: str | None = None) -> list[dict[str, Any]]:
    """Return the OCI mounts in the order in which they must be made.

    A user's mount replaces a default one at the same place, and one at /dev everything below it too. `init`
    is the host's init program, shown at /sbin/docker-init.
    """
    wanted = [*_tmpfs(process), *process.mounts]
    if init is not None:
        wanted.append(Mount(INIT_TARGET, init, options=("bind", "ro")))
    taken = {_clean(mount.target) for mount in wanted}
    kept = [mount for mount in defaults(process) if not _covered(mount.target, taken)]
    return [_oci(mount) for mount in (*kept, *sorted(wanted, key=_depth))]


def defaults(process: ContainerProcess) -> list[Mount]:
    """Return the mounts every container gets."""
    writable = "rw" if process.privileged else "ro"
    return [
        Mount("/proc", "proc", "proc", _SAFE),
        Mount("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        Mount("/dev/pts", "devpts", "devpts", _DEVPTS),
        Mount("/sys", "sysfs", "sysfs", (*_SAFE, writable)),
        Mount("/sys/fs/cgroup", "cgroup", "cgroup", (*_SAFE, "relatime", writable)),
        *_ipc(process),
    ]


_DEVPTS = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")


def masked(process: ContainerProcess) -> list[str]:
    """Return the paths hidden from the container; none when privileged."""
    if process.masked_paths is not None:
        return list(process.masked_paths)
    return [] if process.privileged else list(MASKED_PATHS)


def readonly(process: ContainerProcess) -> list[str]:
    """Return the paths the container may only read; none when privileged."""
    if process.readonly_paths is not None:
        return list(process.readonly_paths)
    return [] if process.privileged else list(READONLY_PATHS)


def _ipc(process: ContainerProcess) -> list[Mount]:
    # The queues seen are those of the IPC namespace, whosever that is.
    queue = Mount("/dev/mqueue", "mqueue", "mqueue", _SAFE)
    if process.ipc == HOST:
        return [queue, Mount("/dev/shm", "/dev/shm", options=("bind", *_SAFE))]
    if process.ipc == "none":
        return [queue]
    if process.shm_path:
        return [queue, Mount("/dev/shm", process.shm_path, options=("bind", *_SAFE))]
    options = (*_SAFE, "mode=1777", f"size={process.shm_size}")
    return [queue, Mount("/dev/shm", "shm", "tmpfs", options)]


def _tmpfs(process: ContainerProcess) -> list[Mount]:
    base = ("noexec", "nosuid", "nodev")
    return [
        Mount(target, "tmpfs", "tmpfs", (*_without(base, options), *options))
        for target, text in process.tmpfs
        for options in [tuple(part for part in text.split(",") if part)]
    ]


def _without(base: tuple[str, ...], options: tuple[str, ...]) -> tuple[str, ...]:
    opposite = {"exec": "noexec", "suid": "nosuid", "dev": "nodev"}
    lifted = {opposite.get(option, option) for option in options}
    return tuple(option for option in base if option not in lifted)


def _covered(target: str, taken: set[str]) -> bool:
    return target in taken or ("/dev" in taken and target.startswith("/dev/"))


def _clean(target: str) -> str:
    return str(PurePosixPath("/", target))


def _depth(mount: Mount) -> int:
    return len(PurePosixPath(_clean(mount.target)).parts)


def _oci(mount: Mount) -> dict[str, Any]:
    return {
        "destination": _clean(mount.target),
        "type": mount.type,
        "source": mount.source or mount.type,
        "options": list(mount.options),
    }
