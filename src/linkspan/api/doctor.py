"""/linkspan/doctor: what is wrong with this host, and on request put right. Linkspan's own, not Docker's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from linkspan.api.context import engine, json_response
from linkspan.engine.house import House
from linkspan.engine.leftovers import Leftover, leftovers
from linkspan.insight.checkup import Check, Finding, document
from linkspan.insight.diagnosis import findings
from linkspan.insight.looking_around import look_around
from linkspan.insight.survey import look
from linkspan.insight.trace.kernel_world import KernelWorld
from linkspan.model.errors import LinkspanError

Look = Callable[[House, bool], Awaitable[tuple[Finding, ...]]]


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.get("/linkspan/doctor", _look, allow_head=False),
        web.post("/linkspan/doctor/repair", _repair),
    ]


async def _store(house: House, repair: bool) -> tuple[Finding, ...]:
    problems = await house.workers.run(house.store.check)
    remedy = f"stop the daemon, and put {house.store.backup} in the place of {house.store.path}"
    return tuple(Finding(problem, remedy) for problem in problems)


async def _network(house: House, repair: bool) -> tuple[Finding, ...]:
    verdicts = await house.workers.run(house.network.audit, repair)
    return tuple(Finding(each.text, each.remedy, each.repaired, each.failure) for each in verdicts)


async def _containers(house: House, repair: bool) -> tuple[Finding, ...]:
    return await house.workers.run(lambda: tuple(_removed(each, repair) for each in leftovers(house)))


def _removed(leftover: Leftover, repair: bool) -> Finding:
    text = f"{leftover.text} left on the host"
    if not repair:
        return Finding(text)
    try:
        leftover.remove()
    except (LinkspanError, OSError) as error:
        return Finding(text, failure=str(error))
    return Finding(text, repaired=True)


async def _surroundings(house: House, repair: bool) -> tuple[Finding, ...]:
    containers = [managed.container for managed in house.registry.all()]

    def around() -> tuple[Finding, ...]:
        seen = look(house.network, containers)
        return tuple(findings(look_around(seen, house.network, KernelWorld())))

    return await house.workers.run(around)


CHECKS: tuple[tuple[str, str, Look], ...] = (
    ("store", "Is the state on disk whole?", _store),
    ("containers", "Does everything on the host belong to a container?", _containers),
    ("network", "Are links, addresses, rules and host sockets what the records say?", _network),
    (
        "surroundings",
        "Do rules, kernel parameters, MTUs, routes, resolvers, limits and listeners fit?",
        _surroundings,
    ),
)
"""Name, question and function of every check, in the order of looking."""


async def _checked(request: web.Request, repair: bool) -> web.Response:
    house = engine(request).house
    checks = [Check(name, question, await look(house, repair)) for name, question, look in CHECKS]
    return json_response(document(checks))


async def _look(request: web.Request) -> web.Response:
    return await _checked(request, repair=False)


async def _repair(request: web.Request) -> web.Response:
    return await _checked(request, repair=True)
