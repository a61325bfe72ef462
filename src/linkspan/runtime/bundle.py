"""One container's working directory below exec_root: what conmon and the runtime leave there, read back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linkspan.runtime import pidfds
from linkspan.runtime.process import Created, ExitStatus


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of container `id` in `path`; reading what is not there gives None."""

    id: str
    path: Path

    @property
    def config_path(self) -> Path:
        """The OCI configuration."""
        return self.path / "config.json"

    @property
    def pid_path(self) -> Path:
        """Where conmon writes the init's process id."""
        return self.path / "pid"

    @property
    def conmon_pid_path(self) -> Path:
        """Where conmon writes its own process id."""
        return self.path / "conmon.pid"

    @property
    def exits(self) -> Path:
        """The directory in which conmon writes the exit file, named after the container."""
        return self.path / "exits"

    @property
    def shm(self) -> Path:
        """Where a shareable /dev/shm is mounted."""
        return self.path / "shm"

    def make(self, config: dict[str, Any]) -> None:
        """Create the directory and write the configuration; raises FileExistsError for a second one."""
        self.path.mkdir(parents=True, mode=0o711)
        self.exits.mkdir()
        fresh = self.path / "config.new"
        fresh.touch(mode=0o600)  # the environment is in it
        fresh.write_text(json.dumps(config))
        fresh.replace(self.config_path)

    def remove(self) -> None:
        """Remove the directory; missing is fine."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    def forget_sessions(self, living: Collection[int]) -> None:
        """Remove the files of exec sessions whose process is not among the `living`."""
        sessions = {file.name.partition(".")[0] for file in self.path.glob("exec-*")}
        for session in sessions:
            if _number(self.path / f"{session}.pid") not in living:
                for file in self.path.glob(f"{session}.*"):
                    file.unlink(missing_ok=True)

    def config(self) -> dict[str, Any]:
        """Return the OCI configuration; raises FileNotFoundError."""
        document: dict[str, Any] = json.loads(self.config_path.read_text())
        return document

    def created(self) -> Created | None:
        """Return the process ids written at creation, dead or alive."""
        try:
            return Created(int(self.pid_path.read_text()), int(self.conmon_pid_path.read_text()))
        except (FileNotFoundError, ValueError):
            return None

    def exit_status(self) -> ExitStatus | None:
        """Return what conmon wrote when the container ended."""
        file = self.exits / self.id
        try:
            text, finished = file.read_text(), file.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if not text.strip().lstrip("-").isdecimal():
            return None
        return ExitStatus(int(text) & 0xFF, (self.path / "oom").exists(), finished)

    def open_conmon(self) -> int | None:
        """Return a pidfd of the living conmon, which may be another daemon's child; None when it is gone.

        A process id that the kernel has given to somebody else in the meantime is told by its command line.
        """
        created = self.created()
        if created is None:
            return None
        return pidfds.open_with_argument(created.conmon_pid, self.id)


def _number(file: Path) -> int:
    """Return the process id in a file, 0 when there is none."""
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return 0
