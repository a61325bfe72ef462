"""The daemon as the page's server asks it, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from linkspan.web.upstream import Away, Refused, Upstream


async def _found(request: web.Request) -> web.Response:
    if request.query.get("name") == "wrong":
        return web.json_response({"message": "no such thing"}, status=404)
    return web.json_response(dict(request.query))


async def _events(request: web.Request) -> web.Response:
    assert request.query["filters"] == '{"type": ["container", "network"]}'
    return web.Response(text='{"Action": "start"}\n{"Action": "die"}\n')


@pytest.fixture
async def socket(tmp_path: Path) -> AsyncIterator[Path]:
    app = web.Application()
    app.add_routes([web.get("/found", _found), web.get("/events", _events)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    yield tmp_path / "s"
    await runner.cleanup()


@pytest.fixture
async def upstream(socket: Path) -> AsyncIterator[Upstream]:
    found = Upstream(f"unix://{socket}")
    yield found
    await found.close()


async def test_answers_and_refusals(upstream):
    assert await upstream.get("/found", {"to": "a b:80/tcp"}) == {"to": "a b:80/tcp"}
    with pytest.raises(Refused, match="no such thing") as refused:
        await upstream.get("/found", {"name": "wrong"})
    assert refused.value.status == 404


async def test_events_come_one_by_one_and_an_end_is_told(upstream):
    seen = []
    with pytest.raises(Away, match="it has ended"):
        async for event in upstream.events():
            seen.append(event["Action"])
    assert seen == ["start", "die"]


async def test_a_daemon_that_is_away_is_named_with_the_reason(tmp_path):
    upstream = Upstream(f"unix://{tmp_path}/none")
    with pytest.raises(Away, match=rf"^the daemon at unix://{tmp_path}/none does not answer \(No such file"):
        await upstream.get("/found")
    with pytest.raises(Away, match="does not answer"):
        async for _ in upstream.events():
            pass
    await upstream.close()


async def test_a_tcp_address_is_asked_too():
    upstream = Upstream("tcp://127.0.0.1:1")
    with pytest.raises(Away, match="does not answer"):
        await upstream.get("/found")
    await upstream.close()
