"""Carrying the streams of an exec session between its process and a client's connection."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from linkspan.engine import descriptors
from linkspan.engine.streams import STDERR, STDOUT, DetachKeys, frame
from linkspan.runtime.execution import ExecHandle

log = logging.getLogger(__name__)

DRAIN = 0.2


class Channel(Protocol):
    """A client's raw connection: read() gives b"" at its half-close; write() raises ConnectionError."""

    async def read(self, limit: int = 65536) -> bytes: ...
    async def write(self, data: bytes) -> None: ...


class Session:
    """The pumps of one attached exec session. A client that goes away does not stop the process."""

    def __init__(
        self, handle: ExecHandle, channel: Channel, keys: bytes, stdin: bool, stdout: bool, stderr: bool
    ) -> None:
        self._handle = handle
        self._channel = channel
        self._keys = keys
        self._stdin, self._stdout, self._stderr = stdin, stdout, stderr
        self._client_gone = False
        self._sending = asyncio.Lock()

    async def run(self, reaper: asyncio.Task[int]) -> bool:
        """Carry until the process has ended and its output is sent; True when the client detached."""
        outputs = [asyncio.ensure_future(pump) for pump in self._outputs()]
        source = asyncio.ensure_future(self._input())
        try:
            ended = asyncio.ensure_future(self._ended(reaper, outputs))
            await asyncio.wait({ended, source}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() and source.done() and not source.cancelled() and source.result():
                self._client_gone = True
                asyncio.ensure_future(self._close_after(ended)).add_done_callback(_report)
                return True
            await ended
        finally:
            source.cancel()
            await asyncio.gather(source, return_exceptions=True)
        self._handle.close()
        return False

    async def _close_after(self, ended: asyncio.Future[None]) -> None:
        await ended
        self._handle.close()

    async def _ended(self, reaper: asyncio.Task[int], outputs: list[asyncio.Future[None]]) -> None:
        """Wait for the process and the rest of its output, but not for a child that keeps the pipe."""
        await asyncio.shield(reaper)
        pending = set(outputs)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=DRAIN)
            if not done:
                break
        for pump in pending:
            pump.cancel()
        await asyncio.gather(*outputs, return_exceptions=True)

    def _outputs(self) -> list[asyncio.Future[None]]:
        handle = self._handle
        if handle.terminal is not None:
            return [asyncio.ensure_future(self._pump(handle.terminal, None, True))]
        return [
            asyncio.ensure_future(self._pump(descriptor, stream, wanted))
            for descriptor, stream, wanted in (
                (handle.stdout, STDOUT, self._stdout),
                (handle.stderr, STDERR, self._stderr),
            )
            if descriptor is not None
        ]

    async def _pump(self, descriptor: int, stream: int | None, wanted: bool) -> None:
        while data := await descriptors.read(descriptor):
            if wanted and not self._client_gone:
                await self._send(data if stream is None else frame(stream, data))

    async def _send(self, data: bytes) -> None:
        try:
            async with self._sending:
                await self._channel.write(data)
        except ConnectionError:
            self._client_gone = True

    async def _input(self) -> bool:
        """Pass the client's input on; True when it typed the detach keys."""
        target = self._handle.terminal if self._handle.terminal is not None else self._handle.stdin
        keys = DetachKeys(self._keys) if self._keys else None
        while data := await self._received():
            detached = False
            if keys is not None:
                data, detached = keys.feed(data)
            if target is not None and self._stdin and data:
                try:
                    await descriptors.write(target, data)
                except (BrokenPipeError, OSError):
                    target = None
            if detached:
                return True
        if self._handle.stdin is not None and self._handle.terminal is None:
            self._handle.close_stdin()
        return False

    async def _received(self) -> bytes:
        try:
            return await self._channel.read()
        except ConnectionError:
            return b""


def _report(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("an exec session's streams: %s", error)
