"""/_ping, /version, /info: what this daemon is and holds."""

from __future__ import annotations

import asyncio
import platform
from typing import Any

from aiohttp import web

from linkspan import __version__
from linkspan.api.context import engine, json_response, version
from linkspan.api.info import host_facts
from linkspan.api.versions import MAXIMUM, MINIMUM, text
from linkspan.engine.engine import Engine


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.head("/_ping", _ping),
        web.get("/_ping", _ping, allow_head=False),
        web.get("/version", _version, allow_head=False),
        web.get("/info", _info, allow_head=False),
    ]


async def _ping(request: web.Request) -> web.Response:
    headers = {
        "Builder-Version": "1",
        "Swarm": "inactive",
        "Cache-Control": "no-cache, no-store, must-revalidate",
        "Pragma": "no-cache",
    }
    if request.method == "HEAD":
        return web.Response(text="", headers=headers | {"Content-Length": "0"})
    return web.Response(text="OK", headers=headers)


async def _version(request: web.Request) -> web.Response:
    kernel = platform.release()
    details = {
        "ApiVersion": text(MAXIMUM),
        "Arch": architecture(),
        "BuildTime": "",
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": f"Python {platform.python_version()}",
        "KernelVersion": kernel,
        "MinAPIVersion": text(MINIMUM),
        "Os": "linux",
    }
    return json_response(
        {
            "Platform": {"Name": "Linkspan"},
            "Components": [{"Name": "Engine", "Version": __version__, "Details": details}],
            "Version": __version__,
            "ApiVersion": text(MAXIMUM),
            "MinAPIVersion": text(MINIMUM),
            "GitCommit": "",
            "GoVersion": f"Python {platform.python_version()}",
            "Os": "linux",
            "Arch": architecture(),
            "KernelVersion": kernel,
            "BuildTime": "",
        }
    )


def architecture() -> str:
    """Return the machine's architecture by the name the Go world, and so Docker, uses."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(machine, machine)


async def _info(request: web.Request) -> web.Response:
    served = engine(request)
    document = await asyncio.to_thread(host_facts, served, version(request))
    return json_response(document | await _holdings(served))


async def _holdings(served: Engine) -> dict[str, Any]:
    counts = await served.containers.counts()
    return {
        "Containers": sum(counts.values()),
        "ContainersRunning": counts.get("running", 0),
        "ContainersPaused": counts.get("paused", 0),
        "ContainersStopped": sum(counts.values()) - counts.get("running", 0) - counts.get("paused", 0),
        "Images": await served.images.count(),
    }
