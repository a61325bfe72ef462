"""One watch of the daemon for all open pages: a look at each event, and once a second while one is open."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from linkspan.web.figures import apart
from linkspan.web.upstream import Away, Refused, Upstream

INTERVAL = 1.0  # seconds between two looks when nothing happens
GAP = 0.1  # at least, when much happens
AGAIN = 0.3  # before a daemon that is away is asked again


class Page:
    """One open page: what it has not been sent yet, the newest of each kind."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}
        self._filled = asyncio.Event()

    def put(self, kind: str, text: str) -> None:
        """Have `text` sent; a page that reads slowly misses what was put before, never the newest."""
        self._waiting[kind] = text
        self._filled.set()

    async def messages(self) -> AsyncIterator[str]:
        """Yield server-sent events (the HTML standard, 9.2) as they come."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            waiting, self._waiting = self._waiting, {}
            for kind, text in waiting.items():
                yield f"event: {kind}\ndata: {text}\n\n"


class Watch:
    """Looks at the daemon's network for the pages that are open, and not when there are none."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._pages: set[Page] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._happened = asyncio.Event()
        self._newest: dict[str, str] = {}

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Open a page: it is told the newest at once, and everything from now on."""
        page = Page()
        self._pages.add(page)
        if len(self._pages) == 1:
            self._newest.clear()
            self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._listen())]
        for kind, text in self._newest.items():
            page.put(kind, text)
        try:
            yield page
        finally:
            self._pages.discard(page)
            if not self._pages:
                self._end()

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def _tell(self, kind: str, document: Any, *, always: bool = False) -> None:
        """Tell all pages, unless it is what they were told last."""
        text = json.dumps(document, separators=(",", ":"))
        if always or self._newest.get(kind) != text:
            self._newest[kind] = text
            for page in self._pages:
                page.put(kind, text)

    async def _look(self) -> None:
        while True:
            self._happened.clear()
            try:
                survey = await self._upstream.get("/linkspan/survey")
            except (Away, Refused) as error:
                self._tell("daemon", {"Up": False, "Words": str(error)})
                await asyncio.sleep(AGAIN)
                continue
            self._told(survey)
            await asyncio.sleep(GAP)
            try:
                await asyncio.wait_for(self._happened.wait(), INTERVAL - GAP)
            except TimeoutError:
                continue

    def _told(self, survey: Mapping[str, Any]) -> None:
        structure, counters = apart(survey)
        self._tell("daemon", {"Up": True, "Words": ""})
        self._tell("survey", structure)
        self._tell("traffic", {"Time": time.monotonic(), "Links": counters}, always=True)

    async def _listen(self) -> None:
        """Wake the looking task whenever the daemon tells of something, also that it is there again."""
        while True:
            try:
                async for _ in self._upstream.events():
                    self._happened.set()
            except Away:
                self._happened.set()
                await asyncio.sleep(AGAIN)
