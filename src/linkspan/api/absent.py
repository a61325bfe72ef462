"""What Docker has and Linkspan has not: every such request gets an answer that says what to do instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from linkspan.api.context import json_response
from linkspan.model.errors import NotFound, NotImplementedHere, Unavailable

NO_BUILDKIT = (
    "Linkspan has no BuildKit: run docker build without buildx, or with DOCKER_BUILDKIT=0, and buildah builds"
)
NO_SWARM = "Linkspan runs the containers of one host and forms no swarm: describe services in a compose file"
NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
    "to connect this node to swarm and try again."
)
NO_PLUGINS = "Linkspan manages no plugins: network and IPAM plugins are found in /run/docker/plugins"
PLUGIN_VERBS = ("enable", "disable", "push", "set", "upgrade")
NO_CHECKPOINTS = "Linkspan does not checkpoint containers"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    builder, swarm = _refuse(NO_BUILDKIT), _refuse(NO_SWARM)
    plugins, checkpoints = _refuse(NO_PLUGINS), _refuse(NO_CHECKPOINTS)
    return [
        web.post("/session", builder),
        web.post("/grpc", builder),
        web.post("/build/cancel", builder),
        web.get("/plugins", _no_plugins, allow_head=False),
        web.get("/plugins/{name:.+}/json", _no_such_plugin, allow_head=False),
        *(web.post(f"/plugins/{{name:.+}}/{verb}", _no_such_plugin) for verb in PLUGIN_VERBS),
        web.delete("/plugins/{name:.+}", _no_such_plugin),
        web.post(r"/plugins/{rest:.+}", plugins),
        web.get(r"/plugins/{rest:.+}", plugins, allow_head=False),
        web.get("/containers/{id}/checkpoints", checkpoints, allow_head=False),
        web.post("/containers/{id}/checkpoints", checkpoints),
        web.post("/swarm/init", swarm),
        web.post("/swarm/join", swarm),
        web.post("/swarm/leave", _no_swarm),
        *_swarm_members(),
    ]


def _swarm_members() -> list[web.RouteDef]:
    found: list[web.RouteDef] = []
    for family in ("swarm", "nodes", "services", "tasks", "secrets", "configs"):
        for path in (f"/{family}", rf"/{family}/{{rest:.+}}"):
            found += [web.get(path, _no_manager, allow_head=False), web.post(path, _no_manager)]
            found.append(web.delete(path, _no_manager))
    return found


def _refuse(sentence: str) -> Handler:
    async def refuse(request: web.Request) -> web.StreamResponse:
        """Read the body first: a client that is still sending would not read the answer."""
        async for _ in request.content.iter_any():
            pass
        raise NotImplementedHere(sentence)

    return refuse


async def _no_manager(request: web.Request) -> web.StreamResponse:
    await request.read()
    raise Unavailable(NOT_A_MANAGER)


async def _no_swarm(request: web.Request) -> web.StreamResponse:
    await request.read()
    raise Unavailable("This node is not part of a swarm")


async def _no_such_plugin(request: web.Request) -> web.StreamResponse:
    await request.read()
    raise NotFound(f'plugin "{request.match_info["name"]}" not found')


async def _no_plugins(_: web.Request) -> web.StreamResponse:
    return json_response([])
