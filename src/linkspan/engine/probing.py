"""A process that is run for its exit code and the beginning of its output."""

from __future__ import annotations

import asyncio
import logging
import os
from signal import SIGKILL

from linkspan.engine import descriptors
from linkspan.runtime.execution import ExecHandle

log = logging.getLogger(__name__)

LINGER = 1.0


async def gather(handle: ExecHandle, limit: int) -> tuple[int, str]:
    """Return the exit code and the first `limit` bytes of both streams; cancelling kills the process."""
    output = bytearray()
    ends = [end for end in (handle.stdout, handle.stderr) if end is not None]
    readers = [asyncio.ensure_future(_collect(end, output, limit)) for end in ends]
    try:
        code = await handle.wait()
        if readers:
            await asyncio.wait(readers, timeout=LINGER)
    except asyncio.CancelledError:
        _kill(handle.pid)
        await asyncio.wait({asyncio.ensure_future(handle.wait())}, timeout=LINGER)
        raise
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        handle.close()
    return code, output.decode(errors="replace")


async def _collect(descriptor: int, output: bytearray, limit: int) -> None:
    while data := await descriptors.read(descriptor):
        output += data[: max(0, limit - len(output))]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, SIGKILL)
    except ProcessLookupError:
        log.debug("the process %d has ended by itself", pid)
