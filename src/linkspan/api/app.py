"""The HTTP application: every route with and without version prefix, and Docker's headers."""

from __future__ import annotations

from aiohttp import web

from linkspan import __version__
from linkspan.api import (
    absent,
    archive,
    auth,
    containers,
    errors,
    events,
    exec,
    images,
    networks,
    streams,
    system,
    usage,
    versions,
    volumes,
)
from linkspan.api.context import BODY_LIMIT, ENGINE, VERSION, Handler, json_response
from linkspan.engine.engine import Engine
from linkspan.model.errors import InvalidParameter

RESOURCES = (
    system,
    usage,
    auth,
    containers,
    streams,
    exec,
    archive,
    images,
    networks,
    volumes,
    events,
    absent,
)


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
