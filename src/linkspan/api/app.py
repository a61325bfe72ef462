"""The HTTP application: every route with and without version prefix, Docker's headers, the sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from linkspan import __version__
from linkspan.api import (
    archive,
    containers,
    errors,
    events,
    exec,
    images,
    networks,
    streams,
    system,
    versions,
    volumes,
)
from linkspan.api.context import BODY_LIMIT, ENGINE, VERSION, Handler, json_response
from linkspan.engine.engine import Engine
from linkspan.model.errors import InvalidParameter

RESOURCES = (system, containers, streams, exec, archive, images, networks, volumes, events)


def application(engine: Engine) -> web.Application:
    """Return the application that serves the Engine API of `engine`."""
    app = web.Application(
        middlewares=[errors.errors, _versioned, errors.completion], client_max_size=BODY_LIMIT
    )
    app[ENGINE] = engine
    app.on_response_prepare.append(_headers)
    for resource in RESOURCES:
        for route in resource.routes():
            app.router.add_route(route.method, route.path, route.handler)
            app.router.add_route(route.method, r"/v{api:\d+\.\d+}" + route.path, route.handler)
    return app


@web.middleware
async def _versioned(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        request[VERSION] = versions.negotiate(request.match_info.get("api"))
    except InvalidParameter as error:
        request[VERSION] = versions.MAXIMUM
        return json_response({"message": str(error)}, error.status)
    return await handler(request)


async def _headers(request: web.Request, response: web.StreamResponse) -> None:
    asked = request.get(VERSION, versions.MAXIMUM)
    response.headers["Api-Version"] = versions.text(asked if request.path != "/_ping" else versions.MAXIMUM)
    response.headers["Docker-Experimental"] = "false"
    response.headers["Ostype"] = "linux"
    response.headers["Server"] = f"Linkspan/{__version__} (linux)"


class Server:
    """Serves the application on unix sockets and, where asked for, TCP addresses."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, keepalive_timeout=3600, shutdown_timeout=2
        )
        self._paths: list[Path] = []

    async def start(self, hosts: Sequence[str]) -> None:
        """Listen on every one of `hosts` ("unix:///run/x.sock" or "tcp://127.0.0.1:2375")."""
        await self._runner.setup()
        for host in hosts:
            scheme, _, rest = host.partition("://")
            if scheme == "unix":
                await self._listen_unix(Path(rest))
            elif scheme == "tcp":
                address, _, port = rest.rpartition(":")
                await web.TCPSite(self._runner, address or "127.0.0.1", int(port)).start()
            else:
                raise InvalidParameter(
                    f'unable to parse docker host "{host}": use unix:///path or tcp://host:port'
                )

    async def _listen_unix(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        await _refuse_if_served(path)
        path.unlink(missing_ok=True)
        previous = os.umask(0o117)
        try:
            await web.UnixSite(self._runner, str(path), backlog=1024).start()
        finally:
            os.umask(previous)
        self._paths.append(path)

    async def stop(self) -> None:
        """Stop listening, end open connections and remove the sockets' files."""
        await self._runner.cleanup()
        for path in self._paths:
            path.unlink(missing_ok=True)


async def _refuse_if_served(path: Path) -> None:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_unix_connection(str(path))
        writer.close()
        raise InvalidParameter(
            f"another daemon is listening on {path}: stop it first, or choose another socket with --host"
        )
