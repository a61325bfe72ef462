"""The page's server as a browser meets it, with a daemon that answers what the test says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from linkspan.model.errors import Conflict, InvalidParameter
from linkspan.web.guard import HEADERS, Guard
from linkspan.web.server import STATIC, application, bind
from linkspan.web.upstream import Away, Refused

LOCAL = {"Host": "localhost"}


class Daemon:
    """Remembers what it was asked; the name "away" or "wrong" makes it fail."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def get(self, path: str, query: dict[str, str] | None = None) -> Any:
        query = query or {}
        self.asked.append((path, query))
        if path == "/linkspan/survey":
            return {"Host": {"Interfaces": []}, "Networks": [], "Containers": []}
        if query.get("name") == "away":
            raise Away("gone")
        if query.get("name") == "wrong":
            raise Refused(404, "no such thing")
        return ["found"]

    async def events(self) -> AsyncIterator[Any]:
        while True:  # something happens all the time
            await asyncio.sleep(0)
            yield {}


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
async def browser(daemon: Daemon) -> AsyncIterator[Any]:
    app = application(Guard("127.0.0.1", 8089, "secret"), daemon)  # type: ignore[arg-type]
    async with TestClient(TestServer(app), cookie_jar=CookieJar(unsafe=True)) as client:
        yield client


async def test_the_token_is_changed_for_a_cookie_that_scripts_cannot_read(browser):
    answer = await browser.get("/?token=secret", headers=LOCAL, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "linkspan-8089=secret" in cookie and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    page = await browser.get("/")
    assert page.status == 200 and "<title>Linkspan map</title>" in await page.text()


@pytest.mark.parametrize(
    "path", ["/", "/?token=wrong", "/stream", "/api/trace", "/static/main.js", "/nowhere"]
)
async def test_without_the_token_nothing_is_said(browser, daemon, path):
    answer = await browser.get(path)
    assert answer.status == 403 and "Open the whole address" in await answer.text()
    assert daemon.asked == []


async def test_a_foreign_name_or_site_is_refused_with_the_cookie_too(browser, daemon):
    await browser.get("/?token=secret")
    rebound = await browser.get("/", headers={"Host": "evil.example"})
    across = await browser.get("/api/commands", headers={"Sec-Fetch-Site": "cross-site"})
    assert (rebound.status, across.status) == (403, 403)
    assert daemon.asked == []


async def test_questions_are_passed_on_with_the_parameters_that_belong_to_them(browser, daemon):
    await browser.get("/?token=secret")
    answer = await browser.get("/api/trace?from=a&to=b:80/tcp&evil=1")
    assert await answer.json() == ["found"]
    assert daemon.asked == [("/linkspan/trace", {"from": "a", "to": "b:80/tcp"})]


@pytest.mark.parametrize(
    ("name", "status", "message"), [("away", 503, "gone"), ("wrong", 404, "no such thing")]
)
async def test_the_daemons_refusals_and_absence_are_told(browser, name, status, message):
    await browser.get("/?token=secret")
    answer = await browser.get(f"/api/commands?name={name}")
    assert (answer.status, await answer.json()) == (status, {"message": message})


@pytest.mark.parametrize("path", ["/", "/static/map.js", "/api/trace", "/nowhere", "/?token=secret"])
async def test_every_answer_carries_the_policy_and_opens_to_nobody_else(browser, path):
    await browser.get("/?token=secret")
    answer = await browser.get(path)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_stream_tells_what_there_is_until_the_page_is_closed(browser, daemon):
    await browser.get("/?token=secret")
    stream = await browser.get("/stream")
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    lines = [await stream.content.readline() for _ in range(6)]
    assert lines[0] == b"event: daemon\n" and lines[3] == b"event: survey\n"
    stream.close()
    while any("_look" in str(each) for each in asyncio.all_tasks()):
        await asyncio.sleep(0.01)
    looks = len(daemon.asked)
    await asyncio.sleep(0.15)  # longer than the least time between two looks
    assert len(daemon.asked) == looks


async def test_nothing_but_looking_is_offered(browser):
    await browser.get("/?token=secret")
    assert [(await browser.post(path)).status for path in ("/", "/api/trace", "/stream")] == [405] * 3


def test_a_taken_port_and_an_address_of_nobody_are_named():
    taken = bind("127.0.0.1", 0)
    with taken, pytest.raises(Conflict, match=r"is taken: choose another with --port"):
        bind("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(InvalidParameter, match=r"cannot listen on 192\.0\.2\.77"):
        bind("192.0.2.77", 0)


@pytest.mark.parametrize(
    "name", sorted(file.name for file in STATIC.iterdir() if file.suffix in (".html", ".css", ".js"))
)
def test_the_page_needs_nobody_elsewhere_and_has_nothing_inline(name):
    text = (STATIC / name).read_text()
    assert "//" not in re.sub(r"^\s*//.*$|(?<=[;{,] )// .*$", "", text, flags=re.MULTILINE)
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)|innerHTML|eval\(", text)
    assert len(text.splitlines()) <= 300


def test_the_licence_of_the_graph_library_comes_with_it():
    assert "Permission is hereby granted" in (STATIC / "cytoscape.LICENSE.txt").read_text()
    assert (STATIC / "cytoscape.esm.min.mjs").stat().st_size > 100_000
