"""One iptables-restore that stays: what changes is written into it, so that no program starts per change.

iptables-restore works line by line, commits at each COMMIT, and when verbose prints comments (and flushes):
the one at the end of each input tells that the input is done. A change takes 0.1 to 0.4 ms in this way, and a
new process 2 ms; after a deletion a process that ends even waits 12-25 ms, while the kernel frees what was
deleted. Nothing is locked in between, and every transaction looks at the tables anew.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

DONE = "# linkspan: done\n"
"""The comment after each input."""

LIMIT = 30_000
"""Bytes of input that surely fit into a pipe; what is longer comes from a file."""

RENEWAL = 1000
"""Inputs after which a new process takes over: what it leaks, if it does, is bounded."""

_PATIENCE = 0.5
_OWN = Path("/proc/thread-self/ns/net")


@dataclass(frozen=True, slots=True)
class Ended:
    """The process ended: its exit code, what it complained of, and the lines it had been given before."""

    code: int
    complaint: str
    lines: int


class Stream:
    """A process in the network namespace of the thread that made it. Not for two threads at once."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], first: str = "") -> None:
        """Start `argv`; `first` is a whole input that it reads from a file, and then it ends."""
        self._complaints = memory()
        self._file = memory(first) if first else None
        self.process = subprocess.Popen(
            argv,
            stdin=self._file or subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=environment,
        )
        self._namespace = _OWN.stat().st_ino
        self._lines = self._inputs = 0
        self.end = weakref.finalize(self, _end, self.process, self._complaints, self._file)

    def is_usable(self) -> bool:
        """Tell whether it can take one more input for the calling thread's namespace."""
        alive = self.end.alive and self._file is None and self.process.poll() is None
        return alive and self._inputs < RENEWAL and _OWN.stat().st_ino == self._namespace

    def run(self, text: str, timeout: float) -> Ended | None:
        """Return when `text` (which ends with DONE) is done, or how the process ended instead.

        One that is silent for half a second is told that nothing follows: a variant that reads its input to
        the end first. It is killed after `timeout` seconds.
        """
        before, self._lines = self._lines, self._lines + text.count("\n")
        self._inputs += 1
        if self.process.stdin is not None:
            self._write(self.process.stdin, text)
        if self._reaches_the_end(time.monotonic() + timeout):
            return None
        code = self.process.wait()
        self._complaints.seek(0)
        ended = Ended(code, self._complaints.read().decode(errors="replace"), before)
        self.end()
        return None if code == 0 else ended

    def _write(self, stdin: IO[bytes], text: str) -> None:
        try:
            os.write(stdin.fileno(), text.encode())
        except BrokenPipeError:
            return  # it has ended: its exit code and its complaint say why

    def _reaches_the_end(self, deadline: float) -> bool:
        output = self.process.stdout
        assert output is not None
        waiting = select.poll()
        waiting.register(output, select.POLLIN)
        printed = b""
        while not printed.endswith(DONE.encode()):
            if not waiting.poll(_PATIENCE * 1000) and not self._waited(waiting, deadline):
                self.process.kill()
                return False
            piece = os.read(output.fileno(), 65536)
            if not piece:
                return False
            printed = (printed + piece)[-len(DONE) :]
        return True

    def _waited(self, waiting: select.poll, deadline: float) -> bool:
        """Close the input, and wait for any output until `deadline`."""
        if self.process.stdin is not None:
            self.process.stdin.close()
            self._inputs = RENEWAL
        return bool(waiting.poll(max(deadline - time.monotonic(), 0) * 1000))


def memory(text: str = "") -> BinaryIO:
    """Return a file in memory: unlike a pipe it can be filled first, and nobody has to drain it."""
    file = os.fdopen(os.memfd_create("iptables"), "w+b")
    file.write(text.encode())
    file.flush()
    file.seek(0)
    return file


def _end(process: subprocess.Popen[bytes], *files: BinaryIO | None) -> None:
    """Let the process go: without input it ends at once; one that does not is killed."""
    for file in (process.stdin, process.stdout, *files):
        if file is not None:
            file.close()
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
