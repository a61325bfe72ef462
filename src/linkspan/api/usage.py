"""/system/df and /build/prune: what images, containers and volumes take on the disk."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from linkspan.api.context import engine, json_response, version
from linkspan.api.image_json import summary_json
from linkspan.api.volumes import volume_json
from linkspan.engine.usage import shared_sizes

KINDS = frozenset({"image", "container", "volume", "build-cache"})


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.get("/system/df", _usage, allow_head=False),
        web.post("/build/prune", _prune_build),
    ]


async def _usage(request: web.Request) -> web.Response:
    wanted = set(request.query.getall("type", [])) & KINDS or KINDS
    document: dict[str, Any] = {"LayersSize": await engine(request).images.layer_bytes()}
    document["Images"] = await _images(request) if "image" in wanted else None
    document["Containers"] = (
        await engine(request).containers.list(everything=True, size=True) if "container" in wanted else None
    )
    document["Volumes"] = await _volumes(request) if "volume" in wanted else None
    document["BuildCache"] = [] if "build-cache" in wanted else None
    document["BuilderSize"] = 0
    return json_response(document)


async def _images(request: web.Request) -> list[dict[str, Any]]:
    images = engine(request).images
    counts, found = images.container_counts(), await images.list({})
    shared = shared_sizes(found)
    return [
        summary_json(image, 0, version(request))
        | {"Containers": counts.get(image.id, 0), "SharedSize": shared[image.id]}
        for image in found
    ]


async def _volumes(request: web.Request) -> list[dict[str, Any]]:
    return [
        volume_json(usage.volume) | {"UsageData": {"Size": usage.size, "RefCount": usage.containers}}
        for usage in await engine(request).volumes.usage()
    ]


async def _prune_build(request: web.Request) -> web.Response:
    """There is no builder here, hence nothing to prune: `docker system prune` asks all the same."""
    return json_response({"CachesDeleted": None, "SpaceReclaimed": 0})
