"""The Runtime: containers as processes, through conmon and crun (or runc)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from linkspan.runtime.console import Console
from linkspan.runtime.execution import ExecHandle
from linkspan.runtime.process import ContainerProcess, Created, ExecProcess, ExitStatus, Resources


class Runtime:
    """Creates, runs and ends containers. Blocking and thread-safe, except for `wait`, which is a coroutine."""

    def __init__(self, exec_root: Path, data_root: Path) -> None:
        """Find the programs and prepare the directories; raises LinkspanError naming the missing package."""
        raise NotImplementedError

    def create(self, process: ContainerProcess) -> Created:
        """Set the container up, waiting before its program; raises RuntimeFailure and leaves nothing."""
        raise NotImplementedError

    def start(self, id: str) -> None:
        """Let the container's program run."""
        raise NotImplementedError

    def kill(self, id: str, signal: int, all: bool = False) -> None:
        """Send `signal` to the init process, or with `all` to every process of the container."""
        raise NotImplementedError

    def delete(self, id: str, force: bool = False) -> None:
        """Remove the runtime's state, the cgroup and the bundle; `force` kills what still runs. Idempotent."""
        raise NotImplementedError

    def pause(self, id: str) -> None:
        """Freeze every process of the container."""
        raise NotImplementedError

    def resume(self, id: str) -> None:
        """Thaw a paused container."""
        raise NotImplementedError

    def update(self, id: str, resources: Resources) -> None:
        """Change the limits of a running container."""
        raise NotImplementedError

    def pids(self, id: str) -> list[int]:
        """Return the host process ids of everything in the container."""
        raise NotImplementedError

    def top(self, id: str, ps_args: str = "") -> tuple[list[str], list[list[str]]]:
        """Return `ps`'s titles and rows for the container's processes (`docker top`)."""
        raise NotImplementedError

    def statistics(self, id: str) -> dict[str, Any]:
        """Return cpu_stats, memory_stats, blkio_stats and pids_stats in Docker's shape."""
        raise NotImplementedError

    def created(self, id: str) -> Created | None:
        """Return the process ids of a container made by this or an earlier daemon; None when it is not alive."""
        raise NotImplementedError

    def exit_status(self, id: str) -> ExitStatus | None:
        """Return how the container ended, or None while it lives."""
        raise NotImplementedError

    async def wait(self, id: str) -> ExitStatus:
        """Wait until the container has ended and its output is in the log."""
        raise NotImplementedError

    def resize(self, id: str, height: int, width: int) -> None:
        """Set the size of the container's terminal, in characters."""
        raise NotImplementedError

    def stdin(self, id: str) -> Console:
        """Open the container's stdin; see `runtime.console.Console`."""
        raise NotImplementedError

    def exec(self, id: str, process: ExecProcess) -> ExecHandle:
        """Run a further process; returns when it runs; raises RuntimeFailure when it cannot."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop the launcher thread; containers live on."""
        raise NotImplementedError
