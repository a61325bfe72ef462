"""/containers/{id}/archive, export and changes: a container's files in and out."""

from __future__ import annotations

import asyncio
import base64
import json

from aiohttp import web

from linkspan.api.context import empty, engine, json_response
from linkspan.api.query import flag
from linkspan.api.streams import stream_out
from linkspan.engine.archive import PathStat
from linkspan.engine.streaming import Intake
from linkspan.model.errors import InvalidParameter

STAT_HEADER = "X-Docker-Container-Path-Stat"


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.head("/containers/{id}/archive", _stat),
        web.get("/containers/{id}/archive", _get, allow_head=False),
        web.put("/containers/{id}/archive", _put),
        web.get("/containers/{id}/export", _export, allow_head=False),
        web.get("/containers/{id}/changes", _changes, allow_head=False),
    ]


def _path(request: web.Request) -> str:
    path = request.query.get("path", "")
    if not path:
        raise InvalidParameter("bad parameter: path cannot be empty")
    return path


def _header(status: PathStat) -> dict[str, str]:
    text = json.dumps(status.document(), separators=(",", ":"))
    return {STAT_HEADER: base64.b64encode(text.encode()).decode()}


async def _stat(request: web.Request) -> web.Response:
    status = await engine(request).containers.archives.stat(request.match_info["id"], _path(request))
    return web.Response(headers=_header(status))


async def _get(request: web.Request) -> web.StreamResponse:
    status, pieces = await engine(request).containers.archives.get(request.match_info["id"], _path(request))
    return await stream_out(request, pieces, "application/x-tar", _header(status))


async def _put(request: web.Request) -> web.Response:
    intake = Intake()
    feeding = asyncio.ensure_future(_feed(request, intake))
    try:
        await engine(request).containers.archives.put(
            request.match_info["id"],
            _path(request),
            intake.read,
            keep_directories=flag(request, "noOverwriteDirNonDir"),
            owned_by_user=flag(request, "copyUIDGID"),
        )
        await feeding
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        intake.close()
    return empty(200)


async def _feed(request: web.Request, intake: Intake) -> None:
    try:
        async for piece in request.content.iter_chunked(65536):
            await intake.write(piece)
    finally:
        intake.end()


async def _export(request: web.Request) -> web.StreamResponse:
    pieces = await engine(request).containers.archives.export(request.match_info["id"])
    return await stream_out(request, pieces, "application/octet-stream")


async def _changes(request: web.Request) -> web.Response:
    return json_response(await engine(request).containers.archives.changes(request.match_info["id"]))
