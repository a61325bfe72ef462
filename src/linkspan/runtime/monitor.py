"""Creates a container under conmon and reads from its sync pipe how that went."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from linkspan.runtime.bundle import Bundle
from linkspan.runtime.launcher import Launcher
from linkspan.runtime.process import ContainerProcess

_PATIENCE = 120.0
_LAST_WORDS_MS = 1000
_NOTHING_SAID = "container creation failed without a message"


class CreationFailed(Exception):
    """conmon or the runtime refused; the text is theirs."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """A conmon at work; `wait` must be called, once."""

    child: subprocess.Popen[bytes]
    reader: int
    said: int

    def wait(self) -> int:
        """Wait until the container is set up and return the init's process id.

        Raises CreationFailed with what conmon or the runtime said.
        """
        try:
            answer = _read_line(self.reader)
            self.child.wait()
            return _pid(answer, self.said)
        except CreationFailed:
            _await_end(self.reader)
            raise
        finally:
            os.close(self.reader)
            os.close(self.said)


def begin(
    launcher: Launcher, conmon: str, runtime: Sequence[str], process: ContainerProcess, bundle: Bundle
) -> Monitor:
    """Start conmon, which runs `runtime` (program and global options) `create`; raises OSError."""
    reader, writer = os.pipe()
    said = os.memfd_create("conmon-stderr")
    try:
        child = launcher.spawn(
            arguments(conmon, runtime, process, bundle),
            stderr=said,
            pass_fds=(writer,),
            environment={**os.environ, "_OCI_SYNCPIPE": str(writer)},
            new_session=True,
        )
    except BaseException:
        os.close(reader)
        os.close(said)
        raise
    finally:
        os.close(writer)
    return Monitor(child, reader, said)


def arguments(conmon: str, runtime: Sequence[str], process: ContainerProcess, bundle: Bundle) -> list[str]:
    """Return conmon's command line. Source: conmon(8)."""
    options = {
        "--api-version": "1",
        "--cid": process.id,
        "--cuuid": process.id,
        "--name": process.id[:12],
        "--runtime": runtime[0],
        "--bundle": str(bundle.path),
        "--container-pidfile": str(bundle.pid_path),
        "--conmon-pidfile": str(bundle.conmon_pid_path),
        "--exit-dir": str(bundle.exits),
        "--persist-dir": str(bundle.path),
        "--log-path": f"k8s-file:{process.log_path}",
        "--log-level": "error",
    }
    line = [
        conmon,
        *(word for option in options.items() for word in option),
        "--full-attach",
        "--no-sync-log",
    ]
    line += [word for option in runtime[1:] for word in ("--runtime-arg", option)]
    if process.terminal:
        line.append("--terminal")
    if process.open_stdin:
        line.append("--stdin")
    if process.terminal or not process.stdin_once:
        # A terminal outlives its clients: somebody may attach again.
        line.append("--leave-stdin-open")
    return line


def _read_line(reader: int) -> bytes:
    """Read one line from conmon's pipe; b"" when conmon closed it without a word."""
    deadline, data = time.monotonic() + _PATIENCE, b""
    poller = select.poll()
    poller.register(reader, select.POLLIN)
    while not data.endswith(b"\n"):
        if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise CreationFailed(f"no answer from the container runtime in {_PATIENCE:.0f} seconds")
        chunk = os.read(reader, 65536)
        if not chunk:
            break
        data += chunk
    return data


def _await_end(reader: int) -> None:
    """Wait a moment until a conmon that gives up is gone, and with it its end of the pipe."""
    poller = select.poll()
    poller.register(reader, select.POLLIN)
    while poller.poll(_LAST_WORDS_MS) and os.read(reader, 65536):
        continue


def _pid(answer: bytes, said: int) -> int:
    if not answer:
        os.lseek(said, 0, os.SEEK_SET)
        raise CreationFailed(os.read(said, 65536).decode("utf-8", "replace").strip() or _NOTHING_SAID)
    document = json.loads(answer)
    pid = int(document.get("data", document.get("pid", -1)))
    if pid <= 0:
        raise CreationFailed(str(document.get("message") or _NOTHING_SAID))
    return pid
