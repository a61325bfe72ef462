"""Telling the kernel in time that a process is about to change its control group.

The first such change after a while waits until all processors have taken note (an RCU grace period, 10 to 20
ms); further ones, soon after it, do not. So one that changes nothing is made as soon as a start is asked for,
and the container's own finds the way clear. Source: kernel/cgroup/cgroup.c, cgroup_procs_write_start;
kernel/rcu/sync.c.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


def own_group(filesystem: Path, v2: bool, proc: Path = Path("/proc/self/cgroup")) -> Path | None:
    """Return the file that moves a thread or process into the group that this process is in already.

    `filesystem` is where the control groups are mounted. None when that group is not to be seen here.
    """
    for line in proc.read_text().splitlines():
        _number, controllers, group = line.split(":", 2)
        name = controllers.removeprefix("name=").split(",")[0]
        if bool(controllers) == v2 or not (v2 or name):
            continue
        directory = filesystem if v2 else filesystem / name
        file = directory / group.lstrip("/") / ("cgroup.procs" if v2 else "tasks")
        if file.exists():
            return file
    return None


class Herald:
    """Announces changes of control groups; never in the way of who asks, and harmless where it cannot."""

    def __init__(self, file: Path | None) -> None:
        """`file` is what `own_group` found."""
        self._file = file
        self._busy = threading.Lock()

    def announce(self) -> None:
        """Begin to clear the way, unless that is being done."""
        if self._file is not None and self._busy.acquire(blocking=False):
            threading.Thread(target=self._move, args=(self._file,), name="herald", daemon=True).start()

    def _move(self, file: Path) -> None:
        number = os.getpid() if file.name == "cgroup.procs" else threading.get_native_id()
        try:
            file.write_text(str(number))
        except OSError:  # not allowed here: then the start waits as it would have
            self._file = None
        finally:
            self._busy.release()
