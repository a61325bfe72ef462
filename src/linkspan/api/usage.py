"""/system/df and /build/prune: what images, containers and volumes take on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from linkspan.api.containers import row_json
from linkspan.api.context import engine, json_response, version
from linkspan.api.image_json import summary_json
from linkspan.api.pruning import prune_response
from linkspan.api.query import flag
from linkspan.api.versions import has
from linkspan.api.volumes import volume_json
from linkspan.engine.usage import shared_sizes
from linkspan.model.errors import InvalidParameter

KINDS = ("container", "image", "volume", "build-cache")
_LEGACY = {"container": "Containers", "image": "Images", "volume": "Volumes", "build-cache": "BuildCache"}
_SUMMARIES = {
    "container": "ContainerUsage",
    "image": "ImageUsage",
    "volume": "VolumeUsage",
    "build-cache": "BuildCacheUsage",
}

BUILD_CACHE = "buildah"
Items = Mapping[str, list[dict[str, Any]]]


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.get("/system/df", _usage, allow_head=False),
        web.post("/build/prune", _prune_build),
    ]


async def _usage(request: web.Request) -> web.Response:
    """Answer with lists of everything, since API 1.52 with summaries too, and with verbose=1 with these only.

    Source: moby daemon/server/router/system, getDiskUsage.
    """
    summed = has(version(request), "usage summaries")
    verbose = summed and flag(request, "verbose")
    items = await _items(request, _wanted(request))
    size = await engine(request).images.layer_bytes() if "image" in items else 0
    document: dict[str, Any] = {}
    if not verbose:
        document = {"LayersSize": size} | {_LEGACY[kind]: rows for kind, rows in items.items()}
        if not has(version(request), "disk usage by type"):
            document["BuilderSize"] = 0
    if summed:
        for kind, summary in summaries(items, size).items():
            document[_SUMMARIES[kind]] = summary | ({"Items": items[kind]} if verbose and items[kind] else {})
    return json_response(document)


def _wanted(request: web.Request) -> set[str]:
    asked = request.query.getall("type", [])
    if not asked or not has(version(request), "disk usage by type"):
        return set(KINDS)
    for kind in asked:
        if kind not in KINDS:
            raise InvalidParameter(f"unknown object type: {kind}")
    return set(asked)


async def _items(request: web.Request, wanted: set[str]) -> Items:
    found: dict[str, list[dict[str, Any]]] = {}
    if "container" in wanted:
        rows = await engine(request).containers.list(everything=True, size=True)
        found["container"] = [row_json(row, version(request)) for row in rows]
    if "image" in wanted:
        found["image"] = await _images(request)
    if "volume" in wanted:
        found["volume"] = await _volumes(request)
    if "build-cache" in wanted:
        found["build-cache"] = await _build_cache(request)
    return found


def summaries(items: Items, layers: int) -> dict[str, dict[str, int]]:
    """Return per kind how many there are, how many are in use, and the bytes: all, and what a prune frees.

    `layers`: the bytes of all images' layers, shared ones counted once.
    """
    found: dict[str, dict[str, int]] = {}
    if "container" in items:
        busy = [row["State"] in ("running", "paused", "restarting") for row in items["container"]]
        found["container"] = _summary(busy, [row.get("SizeRw", 0) for row in items["container"]])
    if "image" in items:
        used = [row["Containers"] > 0 for row in items["image"]]
        own = sum(row["Size"] - max(row["SharedSize"], 0) for row in items["image"] if row["Containers"] > 0)
        found["image"] = _summary(used, []) | {"TotalSize": layers, "Reclaimable": max(layers - own, 0)}
    if "volume" in items:
        usage = [row["UsageData"] for row in items["volume"]]
        found["volume"] = _summary((one["RefCount"] > 0 for one in usage), [one["Size"] for one in usage])
    if "build-cache" in items:
        rows = items["build-cache"]
        found["build-cache"] = _summary((row["InUse"] for row in rows), [row["Size"] for row in rows])
    return found


def _summary(active: Iterable[bool], sizes: list[int]) -> dict[str, int]:
    used = list(active)
    free = sum(size for size, busy in zip(sizes, used, strict=False) if not busy)
    return {
        "ActiveCount": sum(used),
        "TotalCount": len(used),
        "TotalSize": sum(sizes),
        "Reclaimable": free,
    }


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


async def _build_cache(request: web.Request) -> list[dict[str, Any]]:
    """Return the cache of builds as one record: buildah does not say what is in it."""
    builds = engine(request).builds
    size = await builds.cached_bytes()
    record = {
        "ID": BUILD_CACHE,
        "Type": "regular",
        "Description": "layers that builds have made and used",
        "InUse": False,
        "Shared": False,
        "Size": size,
        "CreatedAt": builds.last_used(),
        "LastUsedAt": builds.last_used(),
        "UsageCount": 0,
    }
    return [record] if size else []


async def _prune_build(request: web.Request) -> web.Response:
    freed = await engine(request).builds.prune()
    removed = [BUILD_CACHE] if freed else []
    return prune_response(request, {"CachesDeleted": removed or None, "SpaceReclaimed": freed}, removed)
