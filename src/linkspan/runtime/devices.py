"""Host devices shown in a container: looked up on the host, written as OCI entries and cgroup rules."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from linkspan.model.errors import InvalidParameter
from linkspan.runtime.failures import RuntimeFailure
from linkspan.runtime.process import Device, Rate

# Source: containerd pkg/oci HostDevices.
_SKIPPED = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"}


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """One device node as it will be made in the container; `kind` is "c" or "b"."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int
    permissions: str = "rwm"

    @property
    def rule(self) -> str:
        """The device cgroup rule that allows this node."""
        return f"{self.kind} {self.major}:{self.minor} {self.permissions}"


def look_up(devices: Iterable[Device]) -> tuple[DeviceNode, ...]:
    """Return the nodes of `devices`, directories walked; raises RuntimeFailure with Docker's text."""
    return tuple(node for device in devices for node in _nodes(device))


def host_devices(directory: Path = Path("/dev")) -> tuple[DeviceNode, ...]:
    """Return every device of the host, for privileged containers."""
    return tuple(_walk(directory, str(directory), "rwm"))


def rate(kind: str, path: str, value: int) -> Rate:
    """Return how fast a device of the host may be used; raises InvalidParameter for one that is not there."""
    try:
        number = Path(path).stat().st_rdev
    except OSError as error:
        raise InvalidParameter(f"error gathering device information of {path}: {error.strerror}") from error
    return Rate(kind, os.major(number), os.minor(number), value)


def _nodes(device: Device) -> list[DeviceNode]:
    path = Path(device.host_path)
    try:
        if path.is_dir():
            found = list(_walk(path, device.container_path, device.permissions))
        else:
            found = [_node(path.stat(), device.container_path, device.permissions)]
    except (OSError, ValueError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
        raise RuntimeFailure(
            f'error gathering device information while adding custom device "{device.host_path}": {reason}'
        ) from error
    if not found:
        raise RuntimeFailure(f'no devices found in "{device.host_path}"')
    return found


def _walk(directory: Path, target: str, permissions: str) -> Iterator[DeviceNode]:
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if entry.name in _SKIPPED or entry.is_symlink():
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{target}/{entry.name}", permissions)
        elif _kind(entry.stat(follow_symlinks=False).st_mode):
            yield _node(entry.stat(follow_symlinks=False), f"{target}/{entry.name}", permissions)


def _node(status: os.stat_result, path: str, permissions: str) -> DeviceNode:
    kind = _kind(status.st_mode)
    if not kind:
        raise ValueError("not a device node")
    return DeviceNode(
        path=path,
        kind=kind,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        permissions=permissions,
    )


def _kind(mode: int) -> str:
    return "c" if stat.S_ISCHR(mode) else "b" if stat.S_ISBLK(mode) else ""
