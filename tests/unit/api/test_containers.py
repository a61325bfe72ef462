"""Requests about containers, translated: endpoints by API version, media types, log queries."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from linkspan.api import archive, containers, events, exec, streams
from linkspan.model.errors import InvalidParameter


@pytest.mark.parametrize(
    ("version", "tty", "kind"),
    [((1, 51), False, "multiplexed"), ((1, 51), True, "raw"), ((1, 41), False, "raw")],
)
def test_media_type(version: tuple[int, int], tty: bool, kind: str) -> None:
    assert streams.content_type(version, tty) == f"application/vnd.docker.{kind}-stream"


def test_log_query() -> None:
    asked = streams.log_request(
        make_mocked_request("GET", "/x?stdout=1&follow=true&since=5.5&until=0&tail=all&timestamps=1")
    )
    assert (asked.stdout, asked.stderr, asked.follow, asked.timestamps) == (True, False, True, True)
    assert (asked.since, asked.until, asked.tail) == (5_500_000_000, None, None)
    assert streams.log_request(make_mocked_request("GET", "/x?stderr=1&tail=7")).tail == 7


@pytest.mark.parametrize("query", ["", "stdout=0", "stdout=1&since=yesterday"])
def test_log_queries_that_are_refused(query: str) -> None:
    with pytest.raises(InvalidParameter):
        streams.log_request(make_mocked_request("GET", f"/x?{query}"))


def test_console_size() -> None:
    assert exec._size({"ConsoleSize": [24, 80]}) == (24, 80)
    assert exec._size({}) == (0, 0)
    assert exec._size({"ConsoleSize": None}) == (0, 0)


def test_no_route_is_served_twice() -> None:
    app = web.Application()
    modules = (containers, streams, exec, archive, events)
    found = [(route.method, route.path) for module in modules for route in module.routes()]
    for module in modules:
        app.add_routes(module.routes())
    assert len(found) == len(set(found))
