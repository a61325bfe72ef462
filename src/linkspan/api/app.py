"""The HTTP application: every route with and without version prefix, and Docker's headers."""

from __future__ import annotations

import re

from aiohttp import web

from linkspan import __version__
from linkspan.api import (
    absent,
    archive,
    auth,
    build,
    containers,
    distribution,
    doctor,
    errors,
    events,
    exec,
    images,
    insight,
    networks,
    streams,
    system,
    usage,
    versions,
    volumes,
)
from linkspan.api.context import BODY_LIMIT, ENGINE, VERSION, Handler, empty, json_response
from linkspan.engine.engine import Engine
from linkspan.model.errors import InvalidParameter

RESOURCES = (
    system,
    usage,
    auth,
    build,
    containers,
    streams,
    exec,
    archive,
    images,
    distribution,
    networks,
    volumes,
    events,
    insight,
    doctor,
    absent,
)


def application(engine: Engine) -> web.Application:
    """Return the application that serves the Engine API of `engine`."""
    app = web.Application(
        middlewares=[errors.errors, _clean_path, _versioned, errors.completion], client_max_size=BODY_LIMIT
    )
    app[ENGINE] = engine
    app.on_response_prepare.append(_headers)
    for resource in RESOURCES:
        for route in resource.routes():
            app.router.add_route(route.method, route.path, route.handler)
            app.router.add_route(route.method, r"/v{api:[0-9.]+}" + route.path, route.handler)
    app.router.add_route("OPTIONS", "/{anything:.*}", _options)
    return app


async def _options(_: web.Request) -> web.StreamResponse:
    """Answer every OPTIONS alike and without CORS headers: no web page may use the API."""
    return empty(200)


@web.middleware
async def _clean_path(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lead paths such as "//containers/json" to where they mean, as Docker; 308 keeps method and body."""
    if "//" in request.rel_url.raw_path and request.match_info.http_exception is not None:
        clean = request.rel_url.with_path(re.sub("/{2,}", "/", request.rel_url.raw_path), encoded=True)
        status = 301 if request.method in ("GET", "HEAD") else 308
        location = str(clean.with_query(request.rel_url.query)) if request.query_string else str(clean)
        return web.Response(status=status, headers={"Location": location})
    return await handler(request)


@web.middleware
async def _versioned(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        agent = request.headers.get("User-Agent", "")
        request[VERSION] = versions.negotiate(request.match_info.get("api"), agent)
    except InvalidParameter as error:
        request[VERSION] = versions.MAXIMUM
        return json_response({"message": str(error)}, error.status)
    return await handler(request)


async def _headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Api-Version"] = versions.text(versions.MAXIMUM)
    response.headers["Docker-Experimental"] = "false"
    response.headers["Ostype"] = "linux"
    response.headers["Server"] = f"Linkspan/{__version__} (linux)"
