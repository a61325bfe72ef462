"""What a handler knows of its request: the engine, the API version, and how to answer in JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from linkspan.api.versions import ApiVersion
from linkspan.engine.engine import Engine

BODY_LIMIT = 16 * 1024 * 1024
ENGINE = web.AppKey("engine", Engine)
VERSION = web.RequestKey("version", tuple)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def engine(request: web.Request) -> Engine:
    """Return the engine that serves this request."""
    return request.app[ENGINE]


def version(request: web.Request) -> ApiVersion:
    """Return the API version of this request; compare it with tuples or ask `versions.has`."""
    found: ApiVersion = request[VERSION]
    return found


def json_response(data: Any, status: int = 200) -> web.Response:
    """Answer with compact JSON and a final newline, as Docker does."""
    body = json.dumps(data, separators=(",", ":"), ensure_ascii=False) + "\n"
    return web.Response(body=body.encode(), status=status, content_type="application/json")


def empty(status: int = 204) -> web.Response:
    """Answer without a body."""
    return web.Response(status=status)


def streaming(handler: Handler) -> Handler:
    """Mark a handler that is cancelled when its client goes away.

    Every other handler runs to its end, so that a request has happened wholly or not at all.
    """
    handler.__streaming__ = True  # type: ignore[attr-defined]
    return handler
