"""Bytes between worker threads and the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import BinaryIO

import pytest

from linkspan.engine.streaming import Intake, produced
from linkspan.engine.workers import Workers


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    made = Workers()
    yield made
    await made.stop()


async def test_what_is_produced_arrives(workers: Workers) -> None:
    def produce(output: BinaryIO) -> None:
        for _ in range(100):
            output.write(b"x" * 10_000)

    pieces = [piece async for piece in produced(workers, produce)]
    assert sum(map(len, pieces)) == 1_000_000


async def test_a_failure_comes_at_the_end(workers: Workers) -> None:
    def produce(output: BinaryIO) -> None:
        output.write(b"some")
        raise ValueError("torn")

    received = b""
    with pytest.raises(ValueError, match="torn"):
        async for piece in produced(workers, produce):
            received += piece
    assert received == b"some"


async def test_a_consumer_that_stops_ends_the_producer(workers: Workers) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def produce(output: BinaryIO) -> None:
        try:
            while True:
                output.write(b"x" * 65536)
        finally:
            loop.call_soon_threadsafe(ended.set)

    async with aclosing(produced(workers, produce)) as pieces:
        await anext(pieces)
    await asyncio.wait_for(ended.wait(), 5)


async def test_intake(workers: Workers) -> None:
    intake = Intake()

    def consume() -> int:
        total = 0
        while data := intake.read():
            total += len(data)
        return total

    consumed = asyncio.ensure_future(workers.apart(consume))
    for _ in range(10):
        await intake.write(b"x" * 100_000)
    intake.end()
    assert await consumed == 1_000_000
    intake.close()
