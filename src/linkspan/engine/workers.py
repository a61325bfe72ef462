"""Worker threads for everything that blocks: kernel, store, runtime, files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32


class Workers:
    """A pool of threads, and the tasks that run beside requests."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = ThreadPoolExecutor(THREADS, thread_name_prefix="engine")
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the blocking `function` in a thread; its exceptions come back as they are."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(function, *args, **kwargs))

    async def apart(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` in a thread of its own: for what a slow client may hold up."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="stream")
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(thread, partial(function, *args, **kwargs))
        finally:
            thread.shutdown(wait=False)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that outlives the request, and keep it from being collected."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end even when the caller is cancelled."""
        return await asyncio.shield(self.spawn(work))

    async def stop(self) -> None:
        """Cancel the tasks and end the threads; requests that still clean up use the event loop's own."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)
