"""A cgroup of the lab's own in every hierarchy, so that what the lab made can be seen and removed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from linkspan.lab.result import LabError


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted cgroup hierarchy: where, of which kind, with which mount options."""

    mountpoint: Path
    kind: str  # "cgroup" (v1) or "cgroup2"
    options: str  # what `mount -o` needs to mount the same hierarchy again
    own: str  # this process's path in it

    @property
    def unified(self) -> bool:
        return self.kind == "cgroup2"


def hierarchies(mountinfo: str, membership: str) -> list[Hierarchy]:
    """Parse /proc/self/mountinfo and /proc/self/cgroup (cgroups(7)) into the hierarchies in use."""
    paths = {}
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        paths[frozenset(controllers.removeprefix("name=").split(","))] = path
    found = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, superblock = right.split(" ", 2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        mountpoint = Path(left.split(" ")[4])
        names = [option for option in superblock.split(",") if _names_controller(option)]
        key = frozenset(name.removeprefix("name=") for name in names)
        own = paths.get(key if kind == "cgroup" else frozenset({""}), "/")
        options = ",".join(["none", *names] if names and names[0].startswith("name=") else names)
        found.append(Hierarchy(mountpoint, kind, options, own))
    return found


def _names_controller(option: str) -> bool:
    generic = ("rw", "ro", "xattr", "noprefix", "clone_children", "nsdelegate")
    return option not in generic and not option.startswith(
        ("release_agent=", "favordynmods", "memory_", "pids_")
    )


class LabCgroups:
    """The directories of one lab, one in each hierarchy: `create`, `join_script`, at the end `remove`."""

    def __init__(self, name: str) -> None:
        self.hierarchies = hierarchies(
            Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text()
        )
        self._directories = {h: _parent(h) / name for h in self.hierarchies}

    def create(self) -> None:
        """Make the directories. A v1 cpuset gets its parent's processors: without any, nothing may join."""
        for hierarchy, directory in self._directories.items():
            directory.mkdir()
            if not hierarchy.unified and "cpuset" in hierarchy.options.split(","):
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (directory / name).write_text((directory.parent / name).read_text())
            if hierarchy.unified and _only_hierarchy(self.hierarchies):
                (directory / "init").mkdir()

    def join_script(self) -> str:
        """Shell lines that move the shell into the lab's cgroups (before `unshare --cgroup`)."""
        return "\n".join(f"echo 0 > {d}/cgroup.procs" for d in self._directories.values())

    def mount_script(self) -> str:
        """Shell lines that mount the same hierarchies inside the lab's own cgroup namespace.

        Where cgroup 2 is alone, the shell moves into a leaf and hands the controllers down, since a cgroup
        with processes may not have controlled children (cgroup-v2, "no internal process constraint").
        """
        if _only_hierarchy(self.hierarchies):
            return (
                "mount -t cgroup2 cgroup2 /sys/fs/cgroup\n"
                "echo 0 > /sys/fs/cgroup/init/cgroup.procs\n"
                "for c in $(cat /sys/fs/cgroup/cgroup.controllers); do\n"
                "  echo +$c > /sys/fs/cgroup/cgroup.subtree_control || true\n"
                "done"
            )
        lines = ["mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup"]
        for hierarchy in self.hierarchies:
            option = f" -o {hierarchy.options}" if hierarchy.options else ""
            lines.append(f"mkdir -p {hierarchy.mountpoint}")
            lines.append(f"mount -t {hierarchy.kind}{option} {hierarchy.kind} {hierarchy.mountpoint}")
        return "\n".join(lines)

    def remove(self, timeout: float = 5.0) -> None:
        """Remove the lab's directories, deepest first; processes in them must have ended.

        The kernel may need a moment to let go of a cgroup whose last process has just ended: tried again
        for `timeout` seconds, then LabError.
        """
        deadline = time.monotonic() + timeout
        for directory in self._directories.values():
            while directory.exists() and not _removed(directory):
                if time.monotonic() > deadline:
                    raise LabError(f"cgroup {directory} is still in use")
                time.sleep(0.02)


def _only_hierarchy(found: list[Hierarchy]) -> bool:
    return len(found) == 1 and found[0].unified


def _parent(hierarchy: Hierarchy) -> Path:
    """Our own cgroup, whose limits hold for the lab too; in cgroup 2 the top, where controllers are."""
    own = hierarchy.mountpoint / hierarchy.own.lstrip("/")
    return hierarchy.mountpoint if hierarchy.unified or not own.is_dir() else own


def _removed(directory: Path) -> bool:
    try:
        for each in _deepest_first(directory):
            each.rmdir()
    except OSError:
        return False
    return True


def _deepest_first(directory: Path) -> Iterator[Path]:
    for child in directory.iterdir():
        if child.is_dir():
            yield from _deepest_first(child)
    yield directory
