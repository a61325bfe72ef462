"""Real containers from a busybox root file system, and a check that a test leaves nothing of them."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from linkspan.runtime import logs
from linkspan.runtime.process import ContainerProcess, ExitStatus
from linkspan.runtime.runtime import Runtime

BUSYBOX = Path("/bin/busybox")
APPLETS = (
    "sh cat echo ls printf dd id mount umount stty head seq sleep test true env yes wc tr hostname chroot "
    "unshare kill tty mkdir"
)
NUMBERS = itertools.count()


@dataclass(slots=True)
class Lab:
    """A runtime of its own in a temporary directory; `run` is the whole life of one container."""

    root: Path
    rootfs: Path
    runtime: Runtime
    ids: list[str] = field(default_factory=list)

    def process(self, *args: str, **fields: Any) -> ContainerProcess:
        """Describe a container that runs `args`."""
        id = secrets.token_hex(32)
        self.ids.append(id)
        defaults = {"rootfs": self.rootfs, "log_path": self.root / "data" / f"{id}.log", "hostname": id[:12]}
        return ContainerProcess(id=id, args=args, **(defaults | fields))

    def start(self, *args: str, **fields: Any) -> ContainerProcess:
        """Create and start a container."""
        process = self.process(*args, **fields)
        self.runtime.create(process)
        self.runtime.start(process.id)
        return process

    async def run(self, *args: str, **fields: Any) -> tuple[ExitStatus, bytes, bytes]:
        """Run a container to its end; return its status, stdout and stderr."""
        process = self.start(*args, **fields)
        status = await asyncio.wait_for(self.runtime.wait(process.id), 30)
        self.runtime.delete(process.id)
        return status, *self.output(process)

    def output(self, process: ContainerProcess) -> tuple[bytes, bytes]:
        """Return what the container has written to stdout and stderr."""
        records = list(logs.read(process.log_path))
        return tuple(b"".join(r.data for r in records if r.stream == s) for s in ("stdout", "stderr"))  # type: ignore[return-value]

    def traces(self, id: str) -> list[str]:
        """Return what is left of container `id` in processes, mounts, cgroups and files."""
        found = list(_processes_naming(id))
        found += [line for line in _mounts() if id in line]
        found += [where for where, _, _ in os.walk("/sys/fs/cgroup") if where.endswith(f"/{id}")]
        found += [str(p) for p in (self.root / "exec").rglob(f"*{id}*")]
        return found


def _processes_naming(word: str) -> Iterator[str]:
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            line = (directory / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if word.encode() in line:
            yield f"{directory.name}: {line.decode()}"


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system with busybox and its applets."""
    root = tmp_path_factory.mktemp("rootfs")
    root.chmod(0o755)
    for directory in ("bin", "etc", "proc", "sys", "dev", "tmp", "sbin"):
        (root / directory).mkdir()
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for applet in APPLETS.split():
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nwww:x:34:\nlog:x:99:web\n")
    (root / "etc/plain").write_text("no program\n")
    return root


@pytest.fixture
def lab(tmp_path: Path, rootfs: Path) -> Iterator[Lab]:
    """A runtime whose containers are removed afterwards, and of which nothing may be left."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    (tmp_path / "data").mkdir()
    runtime = Runtime(tmp_path / "exec", tmp_path / "data")
    made = Lab(tmp_path, rootfs, runtime)
    try:
        yield made
    finally:
        for id in made.ids:
            made.runtime.delete(id, force=True)
        made.runtime.close()
    left = [trace for id in made.ids for trace in made.traces(id)]
    assert left == []
    assert [line for line in _mounts() if str(tmp_path) in line] == []


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


@pytest.fixture
def netns() -> Iterator[str]:
    """A network namespace, by path."""
    name = f"lsr{os.getpid()}-{next(NUMBERS)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield f"/run/netns/{name}"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait, up to 5 seconds, until a condition holds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.01)

    return wait
