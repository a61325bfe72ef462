"""Waiting for a container to end or to be removed (`docker wait`)."""

from __future__ import annotations

import asyncio

from linkspan.engine.registry import Managed, Outcome, Registry
from linkspan.model.errors import InvalidParameter

CONDITIONS = ("not-running", "next-exit", "removed")


class Waiting:
    """The use case of POST /containers/{id}/wait."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def wait(self, reference: str, condition: str = "") -> asyncio.Future[Outcome]:
        """Return a future of the outcome, registered at once; raises NotFound, InvalidParameter."""
        condition = condition or "not-running"
        if condition not in CONDITIONS:
            raise InvalidParameter(f'invalid condition: "{condition}"')
        managed = self._registry.find(reference)
        if condition == "removed":
            return managed.waiter(managed.removals)
        if condition == "not-running" and not managed.state.running:
            return _known(managed)
        return managed.waiter(managed.exits)


def _known(managed: Managed) -> asyncio.Future[Outcome]:
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    future.set_result(Outcome(managed.state.exit_code, managed.state.error))
    return future
