"""/auth: whether a registry takes a name and password (`docker login`)."""

from __future__ import annotations

from aiohttp import web

from linkspan.api.context import engine, json_response
from linkspan.api.query import json_body
from linkspan.runtime.images.skopeo import Credentials


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [web.post("/auth", _log_in)]


async def _log_in(request: web.Request) -> web.Response:
    body = await json_body(request)
    fields = ("username", "password", "identitytoken")
    credentials = Credentials(*(str(body.get(field) or "") for field in fields))
    await engine(request).images.log_in(str(body.get("serveraddress") or ""), credentials)
    return json_response({"Status": "Login Succeeded", "IdentityToken": ""})
