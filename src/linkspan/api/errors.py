"""The outermost middleware: every failure becomes Docker's {"message": …} with its HTTP status."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from linkspan.api.context import Handler, json_response
from linkspan.model.errors import LinkspanError

log = logging.getLogger(__name__)


def sentence(error: BaseException) -> str:
    """Return the text for the user; a group of errors is joined, one sentence each."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(sentence(part) for part in error.exceptions)
    return str(error) or type(error).__name__


def _status(error: Exception) -> int:
    return error.status if isinstance(error, LinkspanError) else 500


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Translate exceptions into error bodies; what is no LinkspanError is logged too."""
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return json_response({"message": "request body too large"}, 413)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        return json_response({"message": "page not found"}, 404)
    except web.HTTPException:
        raise
    except ConnectionError as error:
        if not _gone(request):
            raise
        log.debug("%s %s: the client has gone: %s", request.method, request.path, error)
        return web.Response()
    except LinkspanError as error:
        return json_response({"message": sentence(error)}, error.status)
    except Exception as error:
        log.exception("%s %s failed", request.method, request.path)
        return json_response({"message": sentence(error)}, _status(error))


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


@web.middleware
async def completion(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request that changes something run to its end even when its client goes away."""
    route = request.match_info.route.handler
    if getattr(route, "__streaming__", False):
        return await handler(request)
    task = asyncio.ensure_future(handler(request))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_retrieve)
        raise


def _retrieve(task: asyncio.Future[web.StreamResponse]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.info("a request whose client went away failed: %s", sentence(error))
