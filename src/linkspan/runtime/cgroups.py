"""Where the control groups are on this machine: cgroup v1, v2 or both, and how to reach one container's."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = "/sys/fs/cgroup"


@dataclass(frozen=True, slots=True)
class Layout:
    """The cgroup mounts of a mount namespace.

    `v2` says that the hierarchy at /sys/fs/cgroup is the unified one. `unified` is true when a v1 tree also
    has a unified mount that holds controllers (crun 1.8 refuses that). `mounted` is false when there is none.
    """

    v2: bool = False
    unified: bool = False
    mounted: bool = True


def detect(mountinfo: str, unified_controllers: str) -> Layout:
    """Return the layout described by the text of a /proc/…/mountinfo.

    `unified_controllers` is what /sys/fs/cgroup/unified/cgroup.controllers holds. Source: proc(5).
    """
    kinds = {fields[4]: kind for fields, kind in (_mount(line) for line in mountinfo.splitlines())}
    top = kinds.get(ROOT)
    return Layout(
        v2=top == "cgroup2",
        unified=kinds.get(f"{ROOT}/unified") == "cgroup2" and bool(unified_controllers.strip()),
        mounted=top == "cgroup2"
        or any(kind == "cgroup" and where.startswith(f"{ROOT}/") for where, kind in kinds.items()),
    )


def here() -> Layout:
    """Return the layout in the calling process's mount namespace."""
    controllers = ""
    with suppress(FileNotFoundError):
        controllers = Path(ROOT, "unified/cgroup.controllers").read_text()
    return detect(Path("/proc/self/mountinfo").read_text(), controllers)


def hierarchies(proc_cgroup: str) -> list[str]:
    """Return the v1 controllers a process sees, as mount options: "memory", "cpu,cpuacct", "name=systemd".

    `proc_cgroup` is the text of /proc/<pid>/cgroup. Empty on a machine with cgroup v2 only.
    """
    found = [line.split(":")[1] for line in proc_cgroup.splitlines() if line.count(":") >= 2]
    return [f"none,{name}" if name.startswith("name=") else name for name in found if name]


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A mount: where, of what kind ("ext4"), whether mounts below it spread to other namespaces.

    `root` is the directory of the file system that is seen there: "/" unless part of one is bound.
    """

    path: str
    kind: str
    shared: bool
    root: str = "/"


def mount_of(mountinfo: str, path: Path) -> MountPoint:
    """Return the mount that `path` (absolute, resolved) lies on, from the text of a /proc/…/mountinfo."""
    best = MountPoint("/", "", False)
    for line in mountinfo.splitlines():
        fields, kind = _mount(line)
        where = _unescape(fields[4])
        if path.is_relative_to(where) and len(where) >= len(best.path):
            shared = any(field.startswith("shared:") for field in fields[6:])
            best = MountPoint(where, kind, shared, _unescape(fields[3]))
    return best


def below(mountinfo: str, path: Path) -> list[str]:
    """Return the mount points below `path`, itself excluded."""
    points = (_unescape(_mount(line)[0][4]) for line in mountinfo.splitlines())
    return [point for point in points if path in Path(point).parents]


def _mount(line: str) -> tuple[list[str], str]:
    before, _, after = line.partition(" - ")
    return before.split(), after.split()[0]


def _unescape(text: str) -> str:
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text
