"""Blocking work in a thread that a cancelled request stops, and waits for until nothing of it is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from linkspan.runtime.images.blobs import Flag, Interrupted

T = TypeVar("T")


async def interruptible(work: Callable[[Flag], T]) -> T:
    """Run `work` in a thread with a switch that is turned when this coroutine is cancelled.

    Returns or raises what `work` does; a cancellation is passed on only after the thread has ended.
    """
    cancelled = threading.Event()
    task = asyncio.ensure_future(asyncio.to_thread(work, cancelled))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        cancelled.set()
        await asyncio.gather(task, return_exceptions=True)
        raise
    except Interrupted:
        raise asyncio.CancelledError from None
