"""/containers/{id}/logs, attach and stats: streams that last as long as the client listens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from aiohttp import web

from linkspan.api.context import engine, streaming, version
from linkspan.api.hijack import hijack
from linkspan.api.query import flag
from linkspan.api.versions import ApiVersion, has
from linkspan.engine.attach import AttachRequest
from linkspan.engine.logs import LogRequest
from linkspan.engine.streams import MULTIPLEXED, RAW
from linkspan.model.errors import InvalidParameter
from linkspan.model.numbers import is_number
from linkspan.model.timestamps import parse_moment


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.get("/containers/{id}/logs", _logs, allow_head=False),
        web.get("/containers/{id}/stats", _stats, allow_head=False),
        web.post("/containers/{id}/attach", _attach),
        web.get("/containers/{id}/attach/ws", _attach_websocket, allow_head=False),
    ]


def content_type(asked: ApiVersion, tty: bool) -> str:
    """Return the media type of a container's streams."""
    return MULTIPLEXED if has(asked, "multiplexed content type") and not tty else RAW


def _moment(request: web.Request, name: str) -> int | None:
    text = request.query.get(name, "")
    return parse_moment(text) if text not in ("", "0") else None


def _tail(request: web.Request) -> int | None:
    text = request.query.get("tail", "all")
    return int(text) if is_number(text) else None


def log_request(request: web.Request) -> LogRequest:
    """Read the query of GET /containers/{id}/logs; raises InvalidParameter."""
    if not (flag(request, "stdout") or flag(request, "stderr")):
        raise InvalidParameter("Bad parameters: you must choose at least one stream")
    return LogRequest(
        stdout=flag(request, "stdout"),
        stderr=flag(request, "stderr"),
        follow=flag(request, "follow"),
        since=_moment(request, "since"),
        until=_moment(request, "until"),
        tail=_tail(request),
        timestamps=flag(request, "timestamps"),
        details=flag(request, "details"),
    )


async def stream_out(
    request: web.Request, pieces: AsyncIterator[bytes], media_type: str, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    """Answer with `pieces` as they come. What fails before the first piece is an ordinary error."""
    try:
        first = await anext(pieces, b"")
    except BaseException:
        await _close(pieces)
        raise
    response = web.StreamResponse(headers={"Content-Type": media_type, **(headers or {})})
    try:
        await response.prepare(request)
        if first:
            await response.write(first)
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    finally:
        await _close(pieces)
    return response


async def _close(pieces: AsyncIterator[bytes]) -> None:
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()


@streaming
async def _logs(request: web.Request) -> web.StreamResponse:
    id, asked = request.match_info["id"], log_request(request)
    logs = engine(request).containers.logs
    tty = logs.tty(id)
    pieces = logs.read(id, asked)
    response = web.StreamResponse(headers={"Content-Type": content_type(version(request), tty)})
    if not asked.follow:
        return await stream_out(request, pieces, content_type(version(request), tty))
    try:
        await response.prepare(request)
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    finally:
        await _close(pieces)
    return response


@streaming
async def _stats(request: web.Request) -> web.StreamResponse:
    stream = flag(request, "stream", default=True)
    documents = engine(request).containers.stats.read(
        request.match_info["id"], stream=stream, one_shot=flag(request, "one-shot")
    )

    async def lines() -> AsyncIterator[bytes]:
        async for document in documents:
            yield json.dumps(document, separators=(",", ":")).encode() + b"\n"

    return await stream_out(request, lines(), "application/json")


@streaming
async def _attach(request: web.Request) -> web.StreamResponse:
    asked = AttachRequest(
        stdin=flag(request, "stdin"),
        stdout=flag(request, "stdout"),
        stderr=flag(request, "stderr"),
        logs=flag(request, "logs"),
        stream=flag(request, "stream"),
        detach_keys=request.query.get("detachKeys", ""),
    )
    await request.read()
    attachment = engine(request).containers.attach(request.match_info["id"], asked)
    try:
        async with hijack(request, content_type(version(request), attachment.tty)) as stream:
            await attachment.carry(stream)
            return stream.response
    finally:
        attachment.close()


class _WebSocketChannel:
    """A websocket as a raw channel: messages in both directions are plain bytes."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self, limit: int = 65536) -> bytes:
        message = await self._socket.receive()
        if isinstance(message.data, str):
            return message.data.encode()
        return message.data if isinstance(message.data, bytes) else b""

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data)


@streaming
async def _attach_websocket(request: web.Request) -> web.StreamResponse:
    asked = AttachRequest(
        stdin=flag(request, "stdin", default=True),
        stdout=flag(request, "stdout", default=True),
        stderr=flag(request, "stderr", default=True),
        logs=flag(request, "logs"),
        stream=flag(request, "stream", default=True),
        detach_keys=request.query.get("detachKeys", ""),
    )
    attachment = engine(request).containers.attach(request.match_info["id"], asked)
    socket = web.WebSocketResponse()
    try:
        await socket.prepare(request)
        await attachment.carry(_WebSocketChannel(socket))
        await socket.close()
    finally:
        attachment.close()
    return socket
