"""/events: what happens on this host, for as long as the client listens."""

from __future__ import annotations

import json
import time

from aiohttp import web

from linkspan.api.context import engine, streaming, version
from linkspan.api.query import filters
from linkspan.api.versions import has
from linkspan.engine.events import FILTERS
from linkspan.model.errors import InvalidParameter
from linkspan.model.filters import duration
from linkspan.model.timestamps import parse_moment

SEQUENCE = "application/json-seq"
LINES = ("application/jsonl", "application/x-ndjson", SEQUENCE)


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
    kind = media_type(request.headers.get("Accept", ""))
    since, until = _moment(request, "since"), _moment(request, "until")
    if since is not None and until is not None and since > until:
        first, last = request.query["since"], request.query["until"]
        raise InvalidParameter(f"`since` time ({first}) cannot be after `until` time ({last})")
    subscription = bus.open(since, until, wanted)
    response = web.StreamResponse(headers={"Content-Type": kind})
    before = b"\x1e" if kind == SEQUENCE else b""
    try:
        await response.prepare(request)
        while (event := await subscription.next()) is not None:
            if event.type == "image" and event.action == "create" and not has(asked, "image create events"):
                continue
            document = event.document(legacy=not has(asked, "events without legacy fields"))
            line = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
            await response.write(before + line + b"\n")
        await response.write_eof()
    finally:
        bus.release(subscription)
    return response


def media_type(accept: str) -> str:
    """Return the first type of lines that an Accept header wants most, else application/json.

    Every one of them is JSON objects on lines; of a sequence (RFC 7464) each begins with a record separator.
    """
    wanted: dict[str, float] = {}
    for item in accept.split(","):
        name, _, parameters = item.partition(";")
        quality = parameters.replace(" ", "").partition("q=")[2].partition(";")[0] or "1"
        try:
            wanted[name.strip().lower()] = float(quality)
        except ValueError:
            continue
    offered = [kind for kind in LINES if wanted.get(kind, 0) > 0]
    return max(offered, key=lambda kind: wanted[kind], default="application/json")
