"""The page's server: static files, the stream of what changes, and the questions that the page may ask."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import signal
import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from linkspan.model.errors import Conflict, InvalidParameter
from linkspan.web.guard import HEADERS, Guard
from linkspan.web.upstream import Away, Refused, Upstream
from linkspan.web.watch import Watch

STATIC = Path(__file__).parent / "static"
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
#: what the page may ask the daemon: path here -> path there, and the parameters that are passed on
QUESTIONS = {
    "/api/trace": ("/linkspan/trace", ("from", "to", "live")),
    "/api/commands": ("/linkspan/commands", ("name",)),
}
GRACE = 0.5  # seconds that open streams get when the server ends
NO_TOKEN = "Open the whole address that `linkspan web` has printed: this one has no token, or an old one.\n"


def bind(address: str, port: int) -> socket.socket:
    """Return a listening socket; raises Conflict for a taken port, InvalidParameter for a bad address."""
    family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"port {port} of {address} is taken: choose another with --port (0: any that is free)"
            ) from error
        raise InvalidParameter(f"cannot listen on {address}, port {port}: {error.strerror}") from error
    return listening


async def serve(listening: socket.socket, guard: Guard, host: str, ready: Callable[[], None]) -> None:
    """Serve the page on `listening` until SIGINT or SIGTERM, from the daemon at `host`; `ready` is called."""
    upstream = Upstream(host)
    runner = web.AppRunner(
        application(guard, upstream), access_log=None, handler_cancellation=True, shutdown_timeout=GRACE
    )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    try:
        await runner.setup()
        await web.SockSite(runner, listening).start()
        ready()
        await ended.wait()
    finally:
        await runner.cleanup()
        await upstream.close()


def application(guard: Guard, upstream: Upstream) -> web.Application:
    """Return the server's application."""
    app = web.Application(middlewares=[_guarded(guard)])
    watch = Watch(upstream)
    app.router.add_get("/", _start(guard))
    app.router.add_get("/stream", _stream(watch))
    for path, (there, parameters) in QUESTIONS.items():
        app.router.add_get(path, _question(upstream, there, parameters))
    for file in sorted(STATIC.iterdir()):
        if file.suffix in KINDS:
            app.router.add_get(f"/static/{file.name}", _file(file))
    return app


def _guarded(guard: Guard) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        site = request.headers.get("Sec-Fetch-Site", "") if request.path != "/" else ""
        if reason := guard.refusal(request.headers.get("Host", ""), site):
            response: web.StreamResponse = web.Response(status=403, text=reason + "\n")
        elif request.path != "/" and not guard.admits(request.cookies):
            response = web.Response(status=403, text=NO_TOKEN)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.Response(status=error.status, text=f"{error.reason}\n")
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return check


def _start(guard: Guard) -> Handler:
    """Return the page for who is known; who brings the token is given the cookie, and an address without."""
    page = (STATIC / "index.html").read_text()

    async def handle(request: web.Request) -> web.StreamResponse:
        if guard.token and guard.knows(request.query.get("token", "")):
            moved = web.Response(status=303, headers={"Location": "/"})
            moved.set_cookie(guard.cookie, guard.token, httponly=True, samesite="Strict", path="/")
            return moved
        if not guard.admits(request.cookies):
            return web.Response(status=403, text=NO_TOKEN)
        return web.Response(text=page, content_type="text/html")

    return handle


def _file(file: Path) -> Handler:
    content = file.read_bytes()

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=content, content_type=KINDS[file.suffix], charset="utf-8")

    return handle


def _question(upstream: Upstream, path: str, parameters: tuple[str, ...]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        query = {name: request.query[name] for name in parameters if name in request.query}
        try:
            return _json(await upstream.get(path, query))
        except Refused as error:
            return _json({"message": str(error)}, error.status)
        except Away as error:
            return _json({"message": str(error)}, 503)

    return handle


def _json(document: object, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(document), status=status, content_type="application/json")


def _stream(watch: Watch) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        head: Mapping[str, str] = {**HEADERS, "Content-Type": "text/event-stream"}
        response = web.StreamResponse(headers=head)
        await response.prepare(request)
        with watch.page() as page, contextlib.suppress(ConnectionError):
            async for message in page.messages():
                await response.write(message.encode())
        return response

    return handle
