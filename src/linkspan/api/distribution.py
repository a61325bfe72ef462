"""/distribution/{name}/json: what a registry has under a name."""

from __future__ import annotations

from aiohttp import web

from linkspan.api.context import engine, json_response
from linkspan.api.images import registry_credentials


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [web.get(r"/distribution/{name:.+}/json", _inspect, allow_head=False)]


async def _inspect(request: web.Request) -> web.Response:
    credentials = registry_credentials(request.headers.get("X-Registry-Auth"))
    found = await engine(request).images.look_up(request.match_info["name"], credentials)
    descriptor = {"mediaType": found.media_type, "digest": found.digest, "size": found.size}
    return json_response({"Descriptor": descriptor, "Platforms": list(found.platforms)})
