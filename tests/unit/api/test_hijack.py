"""Hijacked connections carry raw bytes both ways, half-closes included, with and without an upgrade."""

import asyncio
import contextlib

import pytest
from aiohttp import web

from linkspan.api.context import VERSION, streaming
from linkspan.api.hijack import hijack


@contextlib.asynccontextmanager
async def serving(path, attach):
    @web.middleware
    async def versioned(request, handler):
        request[VERSION] = (1, 51)
        return await handler(request)

    app = web.Application(middlewares=[versioned])
    app.router.add_post("/attach", attach)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    try:
        yield
    finally:
        await runner.cleanup()


@streaming
async def echo(request):
    await request.read()
    async with hijack(request, "application/vnd.docker.raw-stream") as stream:
        while data := await stream.read():
            await stream.write(data)
        await stream.write(b"end")
    return stream.response


async def head(reader):
    return (await reader.readuntil(b"\r\n\r\n")).decode()


@pytest.mark.parametrize("upgrade", [True, False])
@pytest.mark.parametrize("body", [b"", b'{"Tty":false}'])
async def test_bytes_pass_both_ways_and_output_continues_after_half_close(tmp_path, upgrade, body):
    path = tmp_path / "s"
    async with serving(path, echo):
        reader, writer = await asyncio.open_unix_connection(str(path))
        extra = "Connection: Upgrade\r\nUpgrade: tcp\r\n" if upgrade else ""
        request = f"POST /attach HTTP/1.1\r\nHost: x\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode()
        writer.write(request + body)
        answer = await head(reader)
        assert answer.startswith("HTTP/1.1 101 UPGRADED" if upgrade else "HTTP/1.1 200 OK")
        assert ("Upgrade: tcp" in answer) == upgrade
        payload = bytes(range(256)) * 8192
        writer.write(payload)
        writer.write_eof()
        assert await reader.readexactly(len(payload)) == payload
        assert await reader.read() == b"end"
        writer.close()
        await writer.wait_closed()


async def test_handler_is_cancelled_when_the_client_closes_after_its_half_close(tmp_path):
    ended = asyncio.Event()

    @streaming
    async def silent(request):
        try:
            async with hijack(request, "x/y") as stream:
                assert await stream.read() == b""
                await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.set()
            raise
        return stream.response

    path = tmp_path / "s"
    async with serving(path, silent):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"POST /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        await head(reader)
        writer.write_eof()
        await asyncio.sleep(0.05)
        assert not ended.is_set()
        writer.close()
        await asyncio.wait_for(ended.wait(), 2)
