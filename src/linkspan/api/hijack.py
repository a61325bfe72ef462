"""Hijacked connections: after the response head, both directions of the socket are raw bytes.

Source: Docker Engine API, "Attach to a container": 101 UPGRADED when the client asked to upgrade, else 200.
A client sends raw bytes only after it has seen the head (RFC 9110, 7.8), so the HTTP parser can lose none.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from linkspan.api.versions import MAXIMUM, text


class Hijacked(web.StreamResponse):
    """What a handler returns after a hijack: everything has been sent, nothing is left to do."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Send nothing."""


class _Protocol(asyncio.StreamReaderProtocol):
    """Streams of the hijacked connection; tells the HTTP server when the connection is gone."""

    def __init__(
        self, reader: asyncio.StreamReader, transport: asyncio.Transport, http: asyncio.BaseProtocol
    ) -> None:
        super().__init__(reader)
        self._client = transport
        self._http = http
        self._hangup: select.epoll | None = None

    def eof_received(self) -> bool | None:
        super().eof_received()
        self._watch_hangup()
        return True

    def _watch_hangup(self) -> None:
        """After the client's half-close, notice when it closes the other half too."""
        descriptor = self._client.get_extra_info("socket").fileno()
        if descriptor < 0 or self._hangup is not None:
            return
        self._hangup = select.epoll()
        self._hangup.register(descriptor, select.EPOLLHUP | select.EPOLLET)
        asyncio.get_running_loop().add_reader(self._hangup.fileno(), self._hung_up)

    def _hung_up(self) -> None:
        self._stop_watching()
        self._client.abort()

    def _stop_watching(self) -> None:
        if self._hangup is not None:
            asyncio.get_running_loop().remove_reader(self._hangup.fileno())
            self._hangup.close()
            self._hangup = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)
        self._http.connection_lost(exc)


class RawStream:
    """Both directions of a hijacked connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.response = Hijacked()

    async def read(self, limit: int = 65536) -> bytes:
        """Return what the client sent, b"" after its half-close."""
        return await self._reader.read(limit)

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while the client is slow; raises ConnectionError when it is gone."""
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        """Close after everything written has been sent."""
        self._writer.close()


@asynccontextmanager
async def hijack(request: web.Request, content_type: str) -> AsyncIterator[RawStream]:
    """Answer 101 (or 200 when no upgrade was asked for), then yield the raw connection.

    The body must have been read. Return `stream.response` from the handler. The connection closes at the end.
    """
    transport, http = request.transport, request.protocol
    if transport is None:
        raise ConnectionResetError("the client went away")
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=65536, loop=loop)
    protocol = _Protocol(reader, transport, http)
    protocol.connection_made(transport)
    transport.set_protocol(protocol)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    writer.write(_head(request, content_type))
    if not transport.is_reading():
        transport.resume_reading()
    stream = RawStream(reader, writer)
    try:
        yield stream
    finally:
        stream.close()


def _head(request: web.Request, content_type: str) -> bytes:
    upgrade = request.headers.get("Upgrade", "").lower() == "tcp"
    status = "101 UPGRADED" if upgrade else "200 OK"
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Api-Version: {text(MAXIMUM)}"]
    if upgrade:
        lines += ["Connection: Upgrade", "Upgrade: tcp"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
