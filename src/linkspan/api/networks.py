"""/networks: create, list, inspect, connect, disconnect, remove, prune."""

from __future__ import annotations

from aiohttp import web

from linkspan.api.context import empty, engine, json_response, version
from linkspan.api.go_types import CONNECT, CREATE_NETWORK, DISCONNECT
from linkspan.api.network_json import endpoint_config, network_json, network_spec, status_json
from linkspan.api.pruning import prune_response
from linkspan.api.query import filters, go_bool, json_body
from linkspan.api.versions import has
from linkspan.model.errors import InvalidParameter

LIST_FILTERS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})
PRUNE_FILTERS = frozenset({"label", "label!", "until"})


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.get("/networks", _list, allow_head=False),
        web.get("/networks/", _list, allow_head=False),
        web.post("/networks/create", _create),
        web.post("/networks/prune", _prune),
        web.get("/networks/{id:.+}", _inspect, allow_head=False),
        web.delete("/networks/{id:.+}", _remove),
        web.post("/networks/{id}/connect", _connect),
        web.post("/networks/{id}/disconnect", _disconnect),
    ]


async def _list(request: web.Request) -> web.Response:
    found = await engine(request).networks.select(filters(request, LIST_FILTERS))
    asked = version(request)
    detailed = not has(asked, "networks without members in lists")
    return json_response([network_json(n, endpoints, asked, detailed) for n, endpoints in found])


async def _create(request: web.Request) -> web.Response:
    body = await json_body(request, CREATE_NETWORK)
    if not has(version(request), "EnableIPv4"):
        body["EnableIPv4"] = None
        body["EnableIPv6"] = body.get("EnableIPv6") or None  # these clients cannot leave it unsaid
    network = await engine(request).networks.create(network_spec(body))
    return json_response({"Id": network.id, "Warning": ""}, 201)


async def _inspect(request: web.Request) -> web.Response:
    go_bool(request, "verbose")  # it would tell of a swarm's tasks
    network, endpoints = await engine(request).networks.inspect(
        request.match_info["id"], scope=request.query.get("scope", "")
    )
    document = network_json(network, endpoints, version(request))
    if has(version(request), "network status"):
        document["Status"] = status_json(engine(request).networks.occupancy(network))
    return json_response(document)


async def _remove(request: web.Request) -> web.Response:
    await engine(request).networks.remove(request.match_info["id"])
    return empty(204)


async def _connect(request: web.Request) -> web.Response:
    body = await json_body(request, CONNECT)
    settings = body.get("EndpointConfig") or {}
    if not has(version(request), "mac address on connect"):
        settings = {**settings, "MacAddress": ""}
    await engine(request).networks.connect(
        request.match_info["id"], _container(body), endpoint_config(settings)
    )
    return empty(200)


async def _disconnect(request: web.Request) -> web.Response:
    body = await json_body(request, DISCONNECT)
    await engine(request).networks.disconnect(
        request.match_info["id"], _container(body), force=bool(body.get("Force"))
    )
    return empty(200)


def _container(body: dict[str, object]) -> str:
    container = body.get("Container")
    if not isinstance(container, str) or not container:
        raise InvalidParameter('invalid name or ID supplied: ""')
    return container


async def _prune(request: web.Request) -> web.Response:
    asked = filters(request, PRUNE_FILTERS)
    removed = await engine(request).networks.prune(asked)
    return prune_response(request, {"NetworksDeleted": removed or None}, removed)
