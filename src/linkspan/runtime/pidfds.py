"""Processes held by descriptor: told apart from strangers that got the same number, signalled, waited for."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def open_with_argument(pid: int, word: str) -> int | None:
    """Return a pidfd of process `pid` if it is alive and has the argument `word`; None otherwise."""
    return _open(pid, lambda: os.fsencode(word) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))


def open_child_of(pid: int, parent: int) -> int | None:
    """Return a pidfd of process `pid` if it is alive and a child of `parent`; None otherwise."""
    return _open(pid, lambda: _parent(pid) == parent)


def send(descriptor: int, number: int) -> None:
    """Send signal `number`; a process that has ended is no error."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, number)


def ended(descriptor: int, milliseconds: int) -> bool:
    """Wait up to `milliseconds` for the process's end and say whether it came."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(milliseconds))


async def end(descriptor: int) -> None:
    """Wait for the process's end and close the descriptor."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    try:
        loop.add_reader(descriptor, done.set)
        await done.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _open(pid: int, is_the_one: Callable[[], bool]) -> int | None:
    try:
        descriptor = os.pidfd_open(pid)
    except (ProcessLookupError, OverflowError):
        return None
    # The question is asked while the descriptor holds the number: the answer is about this very process.
    with suppress(OSError, ValueError):
        if is_the_one():
            return descriptor
    os.close(descriptor)
    return None


def _parent(pid: int) -> int:
    # The second field is the program's name in brackets, which may hold blanks and brackets.
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
