"""/containers: create, list, inspect, and everything that changes a container's run state."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from linkspan.api.compatibility import adapted
from linkspan.api.context import empty, engine, json_response, streaming, version
from linkspan.api.go_types import CREATE_CONTAINER, UPDATE_CONTAINER
from linkspan.api.network_json import endpoint_config
from linkspan.api.pruning import prune_response
from linkspan.api.query import filters, flag, json_body, number, size
from linkspan.api.versions import ApiVersion, has
from linkspan.engine.create import CreateRequest
from linkspan.engine.inspect import Shape
from linkspan.engine.listing import FILTERS
from linkspan.engine.resource_rules import RATES
from linkspan.model.errors import InvalidParameter

PRUNE_FILTERS = frozenset({"label", "label!", "until"})


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.get("/containers/json", _list, allow_head=False),
        web.post("/containers/create", _create),
        web.post("/containers/prune", _prune),
        web.get("/containers/{id}/json", _inspect, allow_head=False),
        web.get("/containers/{id}/top", _top, allow_head=False),
        web.post("/containers/{id}/start", _start),
        web.post("/containers/{id}/stop", _stop),
        web.post("/containers/{id}/restart", _restart),
        web.post("/containers/{id}/kill", _kill),
        web.post("/containers/{id}/pause", _pause),
        web.post("/containers/{id}/unpause", _unpause),
        web.post("/containers/{id}/rename", _rename),
        web.post("/containers/{id}/update", _update),
        web.post("/containers/{id}/resize", _resize),
        web.post("/containers/{id}/wait", _wait),
        web.delete("/containers/{id}", _remove),
    ]


async def _list(request: web.Request) -> web.Response:
    asked = version(request)
    rows = await engine(request).containers.list(
        everything=flag(request, "all"),
        limit=number(request, "limit", 0) or 0,
        size=flag(request, "size"),
        filters=filters(request, FILTERS if has(asked, "annotation filter") else FILTERS - {"annotation"}),
    )
    return json_response([row_json(row, asked) for row in rows])


def row_json(row: dict[str, Any], asked: ApiVersion) -> dict[str, Any]:
    """Leave out of a row what its client does not know."""
    if not has(asked, "annotations in lists"):
        row["HostConfig"].pop("Annotations", None)
    if not has(asked, "health in lists"):
        row.pop("Health", None)
    return row


async def _create(request: web.Request) -> web.Response:
    given = await json_body(request, CREATE_CONTAINER, optional=False)
    body, warnings = adapted(given, version(request))
    endpoints = body["NetworkingConfig"]["EndpointsConfig"]
    asked = CreateRequest(
        config=body,
        host_config=body["HostConfig"],
        networks={name: endpoint_config(settings) for name, settings in endpoints.items()},
        name=request.query.get("name", ""),
        platform=request.query.get("platform", ""),
    )
    answer = await engine(request).containers.create(asked)
    return json_response({"Id": answer.id, "Warnings": [*answer.warnings, *warnings]}, 201)


async def _inspect(request: web.Request) -> web.Response:
    asked = version(request)
    document = await engine(request).containers.inspect(
        request.match_info["id"],
        size=flag(request, "size"),
        shape=Shape(
            legacy=not has(asked, "no legacy network settings"),
            dns_names=has(asked, "several endpoints in create"),
            short_id_alias=not has(asked, "aliases without short id"),
        ),
    )
    return json_response(document)


async def _top(request: web.Request) -> web.Response:
    ps_args = request.query.get("ps_args", "")
    return json_response(await engine(request).containers.top(request.match_info["id"], ps_args))


async def _start(request: web.Request) -> web.Response:
    """Start a container; "{}" and "null" are the bodies that older clients send."""
    if (request.content_length or 0) > 7 or "Transfer-Encoding" in request.headers:
        raise InvalidParameter(
            "starting container with non-empty request body was deprecated since API v1.22 "
            "and removed in v1.24"
        )
    changed = await engine(request).containers.lifecycle.start(request.match_info["id"])
    return empty(204 if changed else 304)


def _stop_signal(request: web.Request) -> str:
    return request.query.get("signal", "") if has(version(request), "signal of a stop") else ""


async def _stop(request: web.Request) -> web.Response:
    changed = await engine(request).containers.lifecycle.stop(
        request.match_info["id"], number(request, "t"), _stop_signal(request)
    )
    return empty(204 if changed else 304)


async def _restart(request: web.Request) -> web.Response:
    await engine(request).containers.lifecycle.restart(
        request.match_info["id"], number(request, "t"), _stop_signal(request)
    )
    return empty()


async def _kill(request: web.Request) -> web.Response:
    signal = request.query.get("signal", "")
    await engine(request).containers.lifecycle.kill(request.match_info["id"], signal)
    return empty()


async def _pause(request: web.Request) -> web.Response:
    await engine(request).containers.lifecycle.pause(request.match_info["id"])
    return empty()


async def _unpause(request: web.Request) -> web.Response:
    await engine(request).containers.lifecycle.unpause(request.match_info["id"])
    return empty()


async def _rename(request: web.Request) -> web.Response:
    name = request.query.get("name", "")
    await engine(request).containers.lifecycle.rename(request.match_info["id"], name)
    return empty()


async def _update(request: web.Request) -> web.Response:
    body = await json_body(request, UPDATE_CONTAINER)
    if not has(version(request), "device limits in update"):
        body = {name: value for name, value in body.items() if name not in RATES}
    warnings = await engine(request).containers.lifecycle.update(request.match_info["id"], body)
    return json_response({"Warnings": warnings or None})


async def _resize(request: web.Request) -> web.Response:
    height, width = size(request, "h", "height"), size(request, "w", "width")
    await engine(request).containers.lifecycle.resize(request.match_info["id"], height, width)
    return empty(200)


@streaming
async def _wait(request: web.Request) -> web.StreamResponse:
    """Send the headers at once, the outcome when there is one: clients start the container in between."""
    conditional = has(version(request), "wait with a condition")
    condition = request.query.get("condition", "") if conditional else ""
    future = engine(request).containers.wait(request.match_info["id"], condition)
    try:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if conditional:
            await response.prepare(request)
        outcome = await future
        if not conditional:
            await response.prepare(request)
        document: dict[str, Any] = {"StatusCode": outcome.code}
        if outcome.error:
            document["Error"] = {"Message": outcome.error}
        await response.write_eof(json.dumps(document).encode() + b"\n")
    finally:
        future.cancel()
    return response


async def _remove(request: web.Request) -> web.Response:
    if flag(request, "link"):
        raise InvalidParameter("legacy links cannot be removed: disconnect or remove the container")
    await engine(request).containers.remove(
        request.match_info["id"], force=flag(request, "force"), volumes=flag(request, "v")
    )
    return empty()


async def _prune(request: web.Request) -> web.Response:
    pruned = await engine(request).containers.prune(filters(request, PRUNE_FILTERS))
    report = {"ContainersDeleted": list(pruned.ids) or None, "SpaceReclaimed": pruned.reclaimed}
    return prune_response(request, report, pruned.ids)
