"""Long work as a stream of messages."""

from __future__ import annotations

import asyncio
import threading

import pytest

from linkspan.engine.image_work import messages
from linkspan.engine.images import commit_config
from linkspan.model.errors import NotFound
from linkspan.runtime.images.blobs import Flag, Interrupted
from linkspan.runtime.images.progress import Report
from linkspan.runtime.images.threads import interruptible


async def test_messages_come_in_order_from_any_thread() -> None:
    async def work(report: Report) -> None:
        report({"n": 1})
        await asyncio.to_thread(report, {"n": 2})
        report({"n": 3})

    assert [message["n"] async for message in messages(work)] == [1, 2, 3]


async def test_a_failure_comes_after_the_messages() -> None:
    async def work(report: Report) -> None:
        report({"n": 1})
        raise NotFound("gone")

    seen = []
    with pytest.raises(NotFound, match="gone"):
        async for message in messages(work):
            seen.append(message)
    assert seen == [{"n": 1}]


async def test_work_ends_when_nobody_reads_any_more() -> None:
    ended = threading.Event()

    def blocking(cancelled: Flag) -> None:
        while not cancelled.is_set():
            threading.Event().wait(0.005)
        ended.set()
        raise Interrupted("the client has gone")

    async def work(report: Report) -> None:
        report({"n": 1})
        await interruptible(blocking)

    stream = messages(work)
    assert await anext(stream) == {"n": 1}
    await stream.aclose()
    assert ended.is_set()


async def test_blocking_work_gives_its_result_or_its_error() -> None:
    def fail(_: Flag) -> None:
        raise NotFound("gone")

    assert await interruptible(lambda flag: flag.is_set()) is False
    with pytest.raises(NotFound):
        await interruptible(fail)


def test_a_commit_inherits_the_containers_configuration() -> None:
    container = {
        "Hostname": "x",
        "Env": ["A=1", "B=2"],
        "Cmd": ["sh"],
        "Labels": {"a": "1"},
        "ExposedPorts": {"80/tcp": {}},
        "User": "",
    }
    wanted = {"Env": ["B=3"], "Labels": {"b": "2"}, "Cmd": None, "User": "7"}
    assert commit_config(container, wanted) == {
        "Env": ["A=1", "B=3"],
        "Cmd": ["sh"],
        "Labels": {"a": "1", "b": "2"},
        "ExposedPorts": {"80/tcp": {}},
        "User": "7",
    }
