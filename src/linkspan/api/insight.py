"""Linkspan's own resources under /linkspan: the survey, the commands that build it, a packet's way."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from linkspan.api.context import engine, json_response, streaming
from linkspan.api.go_types import PUBLISH_PORTS
from linkspan.api.query import flag, json_body, number
from linkspan.api.streams import stream_out
from linkspan.engine.house import House
from linkspan.insight import counting
from linkspan.insight.capturing import Silent, joined, listening
from linkspan.insight.commands import commands_for
from linkspan.insight.scope import Unknown, narrowed
from linkspan.insight.survey import look
from linkspan.insight.trace.answer import lived, trace
from linkspan.insight.trace.kernel_world import KernelWorld
from linkspan.insight.trace.ours import our_rules
from linkspan.insight.traffic import traffic
from linkspan.model.errors import Conflict, InvalidParameter, NotFound
from linkspan.runtime.tcpdump import capture


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.get("/linkspan/survey", _survey, allow_head=False),
        web.get("/linkspan/commands", _commands, allow_head=False),
        web.get("/linkspan/trace", _trace, allow_head=False),
        web.get("/linkspan/traffic", _traffic, allow_head=False),
        web.get("/metrics", metrics, allow_head=False),
        web.get("/linkspan/capture", _capture, allow_head=False),
        web.post("/linkspan/containers/{id}/ports", _publish),
        web.delete("/linkspan/containers/{id}/ports", _unpublish),
    ]


async def _publish(request: web.Request) -> web.Response:
    """Publish more ports of a container; the body is {"PortBindings": …} as in HostConfig."""
    body = await json_body(request, PUBLISH_PORTS, optional=False)
    ports = engine(request).containers.ports
    return json_response(await ports.publish(request.match_info["id"], body.get("PortBindings") or {}))


async def _unpublish(request: web.Request) -> web.Response:
    body = await json_body(request, PUBLISH_PORTS, optional=False)
    ports = engine(request).containers.ports
    return json_response(await ports.unpublish(request.match_info["id"], body.get("PortBindings") or {}))


async def _survey(request: web.Request) -> web.Response:
    return json_response(await _surveyed(engine(request).house))


async def _surveyed(house: House) -> dict[str, Any]:
    containers = [managed.container for managed in house.registry.all()]
    return await house.workers.run(look, house.network, containers)


async def _commands(request: web.Request) -> web.Response:
    """Answer with groups of commands for everything, or for the network, project or container `name`."""
    house = engine(request).house
    seen = await _surveyed(house)
    if name := request.query.get("name", ""):
        try:
            seen = dict(narrowed(seen, name))
        except Unknown as error:
            raise NotFound(str(error)) from error
    groups = await house.workers.run(commands_for, house.network, seen)
    return json_response(
        [
            {"Title": title, "Commands": [{"Text": each.text, "Why": each.why} for each in commands]}
            for title, commands in groups
        ]
    )


async def _trace(request: web.Request) -> web.Response:
    """Answer with the way of a packet from `from` to `to`; with live=1 send one, too."""
    house = engine(request).house
    for name in ("from", "to"):
        if not request.query.get(name):
            raise InvalidParameter(f'the parameter "{name}" is missing: say who sends, and to whom')
    begin, aim = request.query["from"], request.query["to"]
    seen = await _surveyed(house)
    live = flag(request, "live")

    def follow() -> dict[str, Any]:
        found = trace(seen, KernelWorld(), begin, aim, our_rules(house.network))
        return lived(seen, found, house.network.inside) if live else found

    return json_response(await house.workers.run(follow))


async def _traffic(request: web.Request) -> web.Response:
    return json_response(await _counted(engine(request).house))


async def metrics(request: web.Request) -> web.Response:
    """Answer with the traffic in the text format of Prometheus."""
    from linkspan.insight.metrics import CONTENT_TYPE, exposition  # a library that nobody else waits for

    body = exposition(await _counted(engine(request).house))
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


async def _counted(house: House) -> dict[str, Any]:
    seen, run = await _surveyed(house), house.workers.run
    found = await run(house.network.inside, "", counting.flows)
    return traffic(seen, found, await run(counting.drops, house.network.firewall_backend))


@streaming
async def _capture(request: web.Request) -> web.StreamResponse:
    """Answer with a pcap stream of the container, network or port `name`: all, or `count` packets."""
    house = engine(request).house
    if not (name := request.query.get("name", "")):
        raise InvalidParameter('the parameter "name" is missing: a container, network or published port')
    given, count = request.query.get("filter", ""), number(request, "count", 0) or 0
    if count < 0 or "\0" in given:
        raise InvalidParameter("count is the number of packets, at least 1; filter is one of pcap-filter(7)")
    try:
        found = listening(await _surveyed(house), name)
    except Unknown as error:
        raise NotFound(str(error)) from error
    except Silent as error:
        raise Conflict(str(error)) from error
    pieces = capture(found.sandbox, found.interface, joined(found.filter, given), count)
    return await stream_out(request, pieces, "application/vnd.tcpdump.pcap")
