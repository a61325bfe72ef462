"""Linkspan's own resources under /linkspan: the survey of the whole network."""

from __future__ import annotations

from aiohttp import web

from linkspan.api.context import engine, json_response
from linkspan.insight.survey import survey


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [web.get("/linkspan/survey", _survey, allow_head=False)]


async def _survey(request: web.Request) -> web.Response:
    house = engine(request).house
    containers = [managed.container for managed in house.registry.all()]
    view = await house.workers.run(house.network.observe)
    return json_response(survey(house.network.networks(), house.network.sandboxes(), containers, view))
