"""Long work on images as a stream of progress messages, which ends the work when nobody reads any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path

from linkspan.engine.workers import Workers
from linkspan.runtime.images.progress import Message, Report


async def messages(work: Callable[[Report], Awaitable[object]]) -> AsyncGenerator[Message, None]:
    """Yield what `work` reports (from any thread) while it runs, then raise what it raised.

    Close the iterator to cancel the work; it has ended, with nothing of it left, when the closing returns.
    """
    queue: asyncio.Queue[Message | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def report(message: Message) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, message)

    task = asyncio.ensure_future(work(report))
    task.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (message := await queue.get()) is not None:
            yield message
        task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def spool(workers: Workers, content: AsyncIterator[bytes], file: Path) -> None:
    """Write a body that comes in pieces to a new file, without ever holding all of it in memory."""
    stream = await workers.run(file.open, "xb")
    try:
        async for chunk in content:
            await workers.run(stream.write, chunk)
    finally:
        await workers.run(stream.close)
