"""`docker attach` and the attached half of `docker run`: output from the log, input to the process."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass

from linkspan.engine import descriptors
from linkspan.engine.house import House
from linkspan.engine.registry import Managed
from linkspan.engine.session import Channel
from linkspan.engine.streams import STDERR, STDOUT, DetachKeys, detach_sequence, frame
from linkspan.model.errors import Conflict
from linkspan.runtime import logs
from linkspan.runtime.console import Console
from linkspan.runtime.logs import Record, Selection

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AttachRequest:
    """Which streams to carry; `logs` replays the past, `stream` goes on with what comes."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    logs: bool = False
    stream: bool = False
    detach_keys: str = ""


class Attachment:
    """One client attached to one container, from before the hijack on: the place in the log is fixed here."""

    def __init__(self, house: House, managed: Managed, request: AttachRequest) -> None:
        self._house = house
        self._managed = managed
        self._request = request
        self.tty = managed.container.tty
        self._path = house.log_path(managed.id)
        self._offset = 0 if request.logs else logs.size(self._path)
        self._ended = managed.waiter(managed.endings)
        self._running = managed.waiter(managed.starts) if not managed.alive else None
        self._keys = detach_sequence(request.detach_keys)

    async def carry(self, channel: Channel) -> None:
        """Carry the streams until the container has ended, the client has gone or typed the detach keys."""
        request = self._request
        try:
            if not request.stream:
                await self._replay(channel)
                return
            await self._stream(channel)
        except ConnectionError:
            log.debug("a client attached to %s went away", self._managed.container.name)
        finally:
            self.close()

    def close(self) -> None:
        """Forget the waiters."""
        self._ended.cancel()
        if self._running is not None:
            self._running.cancel()

    async def _replay(self, channel: Channel) -> None:
        if self._request.logs:
            for record in logs.read(self._path, selection=self._selection()):
                await channel.write(self._encoded(record))

    async def _stream(self, channel: Channel) -> None:
        output = asyncio.ensure_future(self._output(channel))
        source = asyncio.ensure_future(self._input(channel))
        try:
            await asyncio.wait({output, source}, return_when=asyncio.FIRST_COMPLETED)
            if source.done() and not source.cancelled() and source.result():
                self._house.tell(self._managed.container, "detach")
                return
            await output
        finally:
            for task in (output, source):
                task.cancel()
            await asyncio.gather(output, source, return_exceptions=True)

    async def _output(self, channel: Channel) -> None:
        request = self._request
        if not (request.stdout or request.stderr):
            await asyncio.shield(self._ended)
            return
        follow = logs.follow(self._path, ended=self._ended, offset=self._offset, selection=self._selection())
        async with aclosing(follow):  # a client that goes away must not leave the log open
            async for record in follow:
                await channel.write(self._encoded(record))

    def _selection(self) -> Selection:
        return Selection(self._request.stdout, self._request.stderr)

    def _encoded(self, record: Record) -> bytes:
        if self.tty:
            return record.data
        return frame(STDERR if record.stream == "stderr" else STDOUT, record.data)

    async def _input(self, channel: Channel) -> bool:
        """Pass the client's input on; True when it typed the detach keys."""
        keys = DetachKeys(self._keys) if self.tty else None
        console: Console | None = None
        try:
            while data := await self._received(channel):
                detached = False
                if keys is not None:
                    data, detached = keys.feed(data)
                if self._request.stdin and data:
                    console = console or await self._console()
                    await self._pass_on(console, data)
                if detached:
                    return True
            await self._end_input(console)
        finally:
            if console is not None:
                console.close()
        return False

    async def _received(self, channel: Channel) -> bytes:
        try:
            return await channel.read()
        except ConnectionError:
            return b""

    async def _console(self) -> Console | None:
        """Open the container's stdin once it runs; None when it has none, or never ran."""
        if self._running is not None:
            await asyncio.wait({self._running, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        if not self._managed.alive or not self._managed.container.config.get("OpenStdin"):
            return None
        try:
            return self._house.runtime.stdin(self._managed.id)
        except Conflict:
            return None

    async def _pass_on(self, console: Console | None, data: bytes) -> None:
        if console is None:
            return
        try:
            await descriptors.send(console.socket, data)
        except OSError as error:
            log.debug("the stdin of %s takes no more: %s", self._managed.container.name, error)

    async def _end_input(self, console: Console | None) -> None:
        """The client closed its half: the process reads end-of-file if its stdin is for one client only."""
        if not self._request.stdin or not self._managed.container.config.get("StdinOnce"):
            return
        console = console or await self._console()
        if console is not None:
            console.end()
            await asyncio.wait({self._ended})
            console.close()


class Attaching:
    """The use case of POST /containers/{id}/attach."""

    def __init__(self, house: House) -> None:
        self._house = house

    def open(self, reference: str, request: AttachRequest) -> Attachment:
        """Return an attachment; raises NotFound, or Conflict when the container is paused or restarting."""
        managed = self._house.registry.find(reference)
        if managed.state.paused:
            raise Conflict(f"container {managed.id} is paused, unpause the container before attach")
        if managed.state.restarting:
            raise Conflict(f"container {managed.id} is restarting, wait until the container is running")
        attachment = Attachment(self._house, managed, request)
        self._house.tell(managed.container, "attach")
        return attachment
