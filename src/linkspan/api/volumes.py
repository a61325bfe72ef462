"""/volumes: create, list, inspect, remove, prune."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from linkspan.api.context import empty, engine, json_response, version
from linkspan.api.go_types import CREATE_VOLUME
from linkspan.api.pruning import prune_response
from linkspan.api.query import filters, flag, json_body
from linkspan.model.errors import InvalidParameter
from linkspan.model.volume import LIST_FILTERS, Volume


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.get("/volumes", _list, allow_head=False),
        web.post("/volumes/create", _create),
        web.post("/volumes/prune", _prune),
        web.get("/volumes/{name:.+}", _inspect, allow_head=False),
        web.delete("/volumes/{name:.+}", _remove),
    ]


def volume_json(volume: Volume) -> dict[str, Any]:
    """A volume in the shape of the Engine API."""
    return {
        "CreatedAt": volume.created,
        "Driver": volume.driver,
        "Labels": dict(volume.labels) or None,
        "Mountpoint": str(volume.mountpoint),
        "Name": volume.name,
        "Options": dict(volume.options) or None,
        "Scope": volume.scope,
    }


async def _list(request: web.Request) -> web.Response:
    found = await engine(request).volumes.list(filters(request, LIST_FILTERS))
    return json_response({"Volumes": [volume_json(volume) for volume in found], "Warnings": None})


async def _create(request: web.Request) -> web.Response:
    body = await json_body(request, CREATE_VOLUME)
    volume = await engine(request).volumes.create(
        name=str(body.get("Name") or ""),
        driver=str(body.get("Driver") or "local"),
        options=_texts(body, "DriverOpts"),
        labels=_texts(body, "Labels"),
    )
    return json_response(volume_json(volume), 201)


def _texts(body: Mapping[str, Any], field: str) -> dict[str, str]:
    value = body.get(field) or {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InvalidParameter(f"invalid JSON: {field} must map names to strings")
    return value


async def _inspect(request: web.Request) -> web.Response:
    return json_response(volume_json(await engine(request).volumes.inspect(request.match_info["name"])))


async def _remove(request: web.Request) -> web.Response:
    await engine(request).volumes.remove(request.match_info["name"], flag(request, "force"))
    return empty(204)


async def _prune(request: web.Request) -> web.Response:
    everything = version(request) < (1, 42)
    names, freed = await engine(request).volumes.prune(filters(request), everything)
    return prune_response(request, {"VolumesDeleted": list(names), "SpaceReclaimed": freed}, names)
