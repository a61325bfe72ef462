"""The watch: what pages are told, and when the daemon is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from linkspan.web.upstream import Away
from linkspan.web.watch import Page, Watch


class Daemon:
    """A daemon that counts how often it is looked at, and can be away."""

    def __init__(self) -> None:
        self.looks = 0
        self.away = False
        self.names: list[str] = []
        self.happened = asyncio.Event()

    async def get(self, path: str) -> Any:
        assert path == "/linkspan/survey"
        self.looks += 1
        if self.away:
            raise Away("gone")
        containers = [{"Name": name, "Endpoints": []} for name in self.names]
        return {"Host": {"Interfaces": []}, "Networks": [], "Containers": containers}

    async def events(self) -> AsyncIterator[Any]:
        while True:
            await self.happened.wait()
            self.happened.clear()
            if self.away:
                raise Away("gone")
            yield {}


async def told(page: Page, kind: str) -> Any:
    """The next that the page is told of this kind."""
    async for message in page.messages():
        first, second = message.rstrip("\n").split("\n")
        if first == f"event: {kind}":
            return json.loads(second.removeprefix("data: "))
    return None


def watching() -> tuple[Daemon, Watch]:
    daemon = Daemon()
    return daemon, Watch(daemon)  # type: ignore[arg-type]


async def test_nobody_is_asked_while_no_page_is_open():
    daemon, watch = watching()
    await asyncio.sleep(0.02)
    assert daemon.looks == 0
    with watch.page() as page:
        assert (await told(page, "survey"))["Containers"] == []
    looks = daemon.looks
    daemon.happened.set()
    await asyncio.sleep(0.02)
    assert daemon.looks == looks


async def test_an_event_is_worth_a_look_at_once():
    daemon, watch = watching()
    with watch.page() as page:
        await told(page, "survey")
        daemon.names.append("web")
        daemon.happened.set()
        found = await asyncio.wait_for(told(page, "survey"), 0.5)
    assert [each["Name"] for each in found["Containers"]] == ["web"]


async def test_a_second_page_is_told_the_newest_and_shares_the_looks():
    daemon, watch = watching()
    with watch.page() as first:
        await told(first, "survey")
        looks = daemon.looks
        with watch.page() as second:
            assert (await told(second, "survey"))["Containers"] == []
        assert daemon.looks == looks


async def test_a_daemon_that_goes_and_comes_back_is_told():
    daemon, watch = watching()
    with watch.page() as page:
        assert (await told(page, "daemon"))["Up"]
        daemon.away = True
        daemon.happened.set()
        assert await told(page, "daemon") == {"Up": False, "Words": "gone"}
        daemon.away = False
        assert await told(page, "daemon") == {"Up": True, "Words": ""}


async def test_a_slow_page_misses_the_old_and_not_the_new():
    page = Page()
    for text in ("1", "2", "3"):
        page.put("traffic", text)
    page.put("survey", "{}")
    messages = page.messages()
    assert [await anext(messages), await anext(messages)] == [
        "event: traffic\ndata: 3\n\n",
        "event: survey\ndata: {}\n\n",
    ]
    await messages.aclose()
