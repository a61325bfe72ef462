"""The pumps of an attached exec session, between pipes and a client."""

from __future__ import annotations

import asyncio
import os

import pytest

from linkspan.engine.session import Session
from linkspan.engine.streams import STDERR, STDOUT, frame
from linkspan.runtime.execution import ExecHandle


class Client:
    """A client that sends `inputs` and then, with `stays`, keeps its half open."""

    def __init__(self, *inputs: bytes, stays: bool = False, gone: bool = False) -> None:
        self._inputs = [*inputs]
        self._stays = stays
        self._gone = gone
        self.received = b""

    async def read(self, limit: int = 65536) -> bytes:
        if self._inputs:
            return self._inputs.pop(0)
        if self._stays:
            await asyncio.Event().wait()
        return b""

    async def write(self, data: bytes) -> None:
        if self._gone:
            raise ConnectionResetError
        self.received += data


class Handle:
    """An ExecHandle's streams on plain pipes, with the process's ends beside them."""

    def __init__(self, terminal: bool = False) -> None:
        self.terminal: int | None = None
        self.stdin: int | None = None
        self.stdout: int | None = None
        self.stderr: int | None = None
        self.inner: dict[str, int] = {}
        if terminal:
            self.terminal, self.inner["tty"] = os.openpty()
            os.set_blocking(self.inner["tty"], False)
        else:
            self.inner["stdin"], self.stdin = os.pipe()
            self.stdout, self.inner["stdout"] = os.pipe()
            self.stderr, self.inner["stderr"] = os.pipe()

    def close_stdin(self) -> None:
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    def close(self) -> None:
        for end in (self.stdin, self.stdout, self.stderr, self.terminal):
            if end is not None:
                os.close(end)
        self.stdin = self.stdout = self.stderr = self.terminal = None

    def end(self) -> None:
        while self.inner:
            os.close(self.inner.popitem()[1])


def session(handle: Handle, client: Client, keys: bytes = b"") -> Session:
    given: ExecHandle = handle  # type: ignore[assignment]
    return Session(given, client, keys, stdin=True, stdout=True, stderr=True)


async def exits(handle: Handle, after: float = 0.05) -> int:
    await asyncio.sleep(after)
    handle.end()
    return 0


async def test_output_is_framed_and_input_reaches_the_process() -> None:
    handle, client = Handle(), Client(b"in", b"put")
    os.write(handle.inner["stdout"], b"out")
    os.write(handle.inner["stderr"], b"err")
    reader = os.dup(handle.inner["stdin"])
    assert await session(handle, client).run(asyncio.ensure_future(exits(handle))) is False
    assert {frame(STDOUT, b"out"), frame(STDERR, b"err")} == {client.received[:11], client.received[11:]}
    assert os.read(reader, 100) == b"input"
    assert os.read(reader, 100) == b""
    os.close(reader)


async def test_a_client_that_has_gone_does_not_stop_the_process_nor_block_it() -> None:
    handle, client = Handle(), Client(gone=True)

    async def talks() -> int:
        for _ in range(50):
            os.write(handle.inner["stdout"], b"x" * 4096)
            await asyncio.sleep(0.001)
        handle.end()
        return 0

    assert await session(handle, client).run(asyncio.ensure_future(talks())) is False


async def test_a_child_that_keeps_the_pipe_is_not_waited_for() -> None:
    handle, client = Handle(), Client(stays=True)

    async def leaves_a_child() -> int:
        os.write(handle.inner["stdout"], b"last words")
        return 0

    await asyncio.wait_for(session(handle, client).run(asyncio.ensure_future(leaves_a_child())), 5)
    assert client.received == frame(STDOUT, b"last words")
    handle.end()


@pytest.mark.parametrize("cut", [1, 2])
async def test_detach_keys_leave_the_process_running(cut: int) -> None:
    keys = b"\x10\x11"
    handle, client = Handle(terminal=True), Client(b"ls" + keys[:cut], keys[cut:] or b"?", stays=True)
    ending = asyncio.Event()

    async def runs() -> int:
        await ending.wait()
        handle.end()
        return 0

    reaper = asyncio.ensure_future(runs())
    assert await session(handle, client, keys).run(reaper) is True
    assert not reaper.done()
    ending.set()
    await reaper
    await asyncio.sleep(0.3)
    assert handle.terminal is None
