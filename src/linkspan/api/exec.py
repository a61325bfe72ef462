"""/exec: further processes in running containers."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from linkspan.api.context import empty, engine, json_response, version
from linkspan.api.go_types import CREATE_EXEC, START_EXEC
from linkspan.api.hijack import hijack
from linkspan.api.query import json_body, size
from linkspan.api.streams import content_type
from linkspan.engine.execs import exec_config


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.post("/containers/{id}/exec", _create),
        web.post("/exec/{id}/start", _start),
        web.post("/exec/{id}/resize", _resize),
        web.get("/exec/{id}/json", _inspect, allow_head=False),
    ]


async def _create(request: web.Request) -> web.Response:
    config = exec_config(await json_body(request, CREATE_EXEC))
    session = engine(request).execs.create(request.match_info["id"], config)
    return json_response({"Id": session.id}, 201)


async def _start(request: web.Request) -> web.StreamResponse:
    body = await json_body(request, START_EXEC)
    execs = engine(request).execs
    session = execs.claim(request.match_info["id"])
    if body.get("Detach"):
        await execs.start_detached(session)
        return empty(200)
    async with hijack(request, content_type(version(request), session.config.tty)) as stream:
        await execs.start_attached(session, stream, _size(body))
        return stream.response


def _size(body: dict[str, Any]) -> tuple[int, int]:
    size = body.get("ConsoleSize") or (0, 0)
    return (int(size[0]), int(size[1])) if len(size) == 2 else (0, 0)


async def _resize(request: web.Request) -> web.Response:
    height, width = size(request, "h", "height"), size(request, "w", "width")
    await engine(request).execs.resize(request.match_info["id"], height, width)
    return empty(200)


async def _inspect(request: web.Request) -> web.Response:
    return json_response(engine(request).execs.find(request.match_info["id"]).document())
