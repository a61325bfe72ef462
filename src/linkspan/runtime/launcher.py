"""Starts the runtime's programs, from a mount namespace in which crun can work.

crun 1.8 refuses a machine whose cgroup v1 tree also has a unified mount with controllers in it. There, one
long-lived thread gets its own mount namespace without that mount, and every program is started from it:
children inherit the mounts of the thread that starts them. The namespace is a slave of the daemon's, so
that file systems mounted later arrive, and vanish when they are unmounted. Where nothing is wrong, programs
start in the plain way.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from linkspan.model.errors import KernelError
from linkspan.runtime import cgroups, syscalls

File = int | IO[bytes] | None
_MOUNTINFO = Path("/proc/self/mountinfo")


class Launcher:
    """Spawns child processes; thread-safe.

    `roots` are the directories below which the daemon mounts things that containers need: where their
    mounts would not reach another namespace, each is bound onto itself and made shared.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        """Look at the cgroup mounts and prepare; raises KernelError when that is refused."""
        layout = cgroups.here()
        self._threads: ThreadPoolExecutor | None = None
        self._bound: list[Path] = []
        self.filesystem = Path("/")
        if layout.mounted and (layout.v2 or not layout.unified):
            self.cgroup_v2 = layout.v2
            return
        self.cgroup_v2 = layout.v2 or not cgroups.hierarchies(Path("/proc/self/cgroup").read_text())
        self._share(roots)
        self._threads = ThreadPoolExecutor(1, "runtime-launcher")
        try:
            self.filesystem = self._threads.submit(_enter, layout).result()
        except KernelError:
            self.close()
            raise

    def spawn(
        self,
        arguments: Sequence[str],
        *,
        stdin: File = subprocess.DEVNULL,
        stdout: File = subprocess.DEVNULL,
        stderr: File = subprocess.DEVNULL,
        environment: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        new_session: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a program and return without waiting; raises OSError when it cannot be started."""

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                list(arguments),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=dict(os.environ if environment is None else environment),
                pass_fds=tuple(pass_fds),
                cwd="/",
                start_new_session=new_session,
            )

        return self._threads.submit(start).result() if self._threads else start()

    def close(self) -> None:
        """End the thread, and take back the self-binds that nothing is mounted in."""
        if self._threads:
            self._threads.shutdown()
            self._threads = None
        for root in reversed(self._bound):
            # Containers live on with their mounts below it: the next daemon finds it shared.
            if not cgroups.below(_MOUNTINFO.read_text(), root):
                syscalls.unmount(str(root), syscalls.MNT_DETACH)
        self._bound.clear()

    def _share(self, roots: Sequence[Path]) -> None:
        for root in roots:
            path = root.resolve()
            point = cgroups.mount_of(_MOUNTINFO.read_text(), path)
            if point.shared:
                # An earlier daemon's, which ended without taking it back.
                if point.path == str(path) and point.root != "/":
                    self._bound.append(path)
                continue
            syscalls.mount(str(path), str(path), flags=syscalls.MS_BIND | syscalls.MS_REC)
            syscalls.mount("none", str(path), flags=syscalls.MS_SHARED)
            self._bound.append(path)


def _enter(layout: cgroups.Layout) -> Path:
    """Move the calling thread into its own mount namespace; return a path to its root for other threads."""
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_FS)
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_SLAVE)
    if layout.unified:
        syscalls.unmount(f"{cgroups.ROOT}/unified", syscalls.MNT_DETACH)
    if not layout.mounted:
        _mount_cgroups(cgroups.hierarchies(Path("/proc/self/cgroup").read_text()))
    return Path(f"/proc/self/task/{threading.get_native_id()}/root")


def _mount_cgroups(hierarchies: Sequence[str]) -> None:
    """Mount the control groups afresh, for a daemon started behind a bare sysfs (as `ip netns exec` does)."""
    safe = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    if not hierarchies:
        syscalls.mount("cgroup2", cgroups.ROOT, "cgroup2", safe)
        return
    syscalls.mount("tmpfs", cgroups.ROOT, "tmpfs", safe, "mode=755")
    for options in hierarchies:
        directory = Path(cgroups.ROOT, options.removeprefix("none,").removeprefix("name="))
        directory.mkdir()
        syscalls.mount("cgroup", str(directory), "cgroup", safe, options)
