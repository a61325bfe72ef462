"""Bytes between a blocking producer or consumer in a worker thread and the event loop, with back-pressure."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from typing import BinaryIO

from linkspan.engine import descriptors
from linkspan.engine.workers import Workers


async def produced(workers: Workers, produce: Callable[[BinaryIO], None]) -> AsyncGenerator[bytes, None]:
    """Yield what `produce` writes to its file, in a worker thread; its exception comes at the end.

    When the consumer stops, the producer's next write fails with BrokenPipeError and it ends.
    """
    source, sink = os.pipe()
    work = asyncio.ensure_future(workers.apart(_produce, produce, sink))
    try:
        while data := await descriptors.read(source):
            yield data
        await work
    finally:
        os.close(source)
        await asyncio.gather(work, return_exceptions=True)


def _produce(produce: Callable[[BinaryIO], None], sink: int) -> None:
    with os.fdopen(sink, "wb", buffering=1 << 16) as output:
        produce(output)


class Intake:
    """A pipe that the event loop fills and a worker thread reads: `read` blocks, b"" is the end."""

    def __init__(self) -> None:
        self._source, self._sink = os.pipe()

    def read(self, size: int = 65536) -> bytes:
        """Return up to `size` bytes; called in a worker thread."""
        return os.read(self._source, size)

    async def write(self, data: bytes) -> None:
        """Hand `data` over; raises BrokenPipeError when nobody reads any more."""
        await descriptors.write(self._sink, data)

    def end(self) -> None:
        """Say that nothing more comes."""
        if self._sink >= 0:
            os.close(self._sink)
            self._sink = -1

    def close(self) -> None:
        """Close both ends."""
        self.end()
        os.close(self._source)
