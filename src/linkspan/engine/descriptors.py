"""Reading and writing pipes, terminals and sockets from the event loop, one descriptor at a time."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable

CHUNK = 65536


async def readable(descriptor: int) -> None:
    """Wait until reading `descriptor` would not block."""
    loop = asyncio.get_running_loop()
    await _wait(descriptor, loop.add_reader, loop.remove_reader)


async def writable(descriptor: int) -> None:
    """Wait until writing to `descriptor` would not block."""
    loop = asyncio.get_running_loop()
    await _wait(descriptor, loop.add_writer, loop.remove_writer)


async def _wait(descriptor: int, add: Callable[..., object], remove: Callable[[int], object]) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    add(descriptor, _settle, ready)
    try:
        await ready
    finally:
        remove(descriptor)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def read(descriptor: int) -> bytes:
    """Return what a pipe or a pty's master has, b"" at the end (a terminal ends with EIO)."""
    os.set_blocking(descriptor, False)
    while True:
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:
            await readable(descriptor)
        except OSError as error:
            if error.errno == errno.EIO:
                return b""
            raise


async def write(descriptor: int, data: bytes) -> None:
    """Write all of `data`; raises BrokenPipeError when nobody reads."""
    os.set_blocking(descriptor, False)
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            await writable(descriptor)


async def send(connection: socket.socket, data: bytes, chunk: int = 8192) -> None:
    """Send all of `data` through a seqpacket socket, `chunk` bytes a message."""
    connection.setblocking(False)
    for start in range(0, len(data), chunk):
        while True:
            try:
                connection.send(data[start : start + chunk])
                break
            except BlockingIOError:
                await writable(connection.fileno())
