"""/events: what happens on this host, for as long as the client listens."""

from __future__ import annotations

import json
import time

from aiohttp import web

from linkspan.api.context import engine, streaming, version
from linkspan.api.query import filters
from linkspan.api.versions import has
from linkspan.engine.events import FILTERS
from linkspan.model.filters import duration
from linkspan.model.timestamps import parse_moment


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [web.get("/events", _events, allow_head=False)]


def _moment(request: web.Request, name: str) -> int | None:
    text = request.query.get(name, "")
    if not text:
        return None
    span = duration(text)
    return parse_moment(text) if span is None else time.time_ns() - span


@streaming
async def _events(request: web.Request) -> web.StreamResponse:
    """Subscribe before the headers go out, so that nothing after them is missed."""
    bus, asked = engine(request).events, version(request)
    wanted = filters(request, FILTERS)
    subscription = bus.open(_moment(request, "since"), _moment(request, "until"), wanted)
    lines = "application/jsonl" if has(asked, "events as jsonl") else "application/json"
    response = web.StreamResponse(headers={"Content-Type": lines})
    try:
        await response.prepare(request)
        while (event := await subscription.next()) is not None:
            document = event.document(legacy=not has(asked, "events without legacy fields"))
            await response.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
        await response.write_eof()
    finally:
        bus.release(subscription)
    return response
