"""Runs the OCI runtime's own commands (start, delete, pause…) to their end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from linkspan.runtime.launcher import Launcher

_MOST_SAID = 65536


@dataclass(frozen=True, slots=True)
class Commands:
    """The runtime's program with its global options in `line`, started by `launcher`."""

    launcher: Launcher
    line: Sequence[str]

    def run(self, *arguments: str, pass_fds: Sequence[int] = ()) -> tuple[int, str]:
        """Run one command; return its exit code and what it said on stderr."""
        with memory_file("runtime-stderr") as said:
            child = self.launcher.spawn([*self.line, *arguments], stderr=said, pass_fds=pass_fds)
            code = child.wait()
            return code, text(said)


@contextmanager
def memory_file(name: str, content: bytes = b"") -> Iterator[int]:
    """Give a descriptor of a file in memory, at its beginning.

    What the runtime says goes into one: a container may inherit the runtime's streams, and a pipe would
    then stay open as long as the container lives.
    """
    descriptor = os.memfd_create(name)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def text(descriptor: int) -> str:
    """Return what has been written to a memory file."""
    return os.pread(descriptor, _MOST_SAID, 0).decode("utf-8", "replace")
