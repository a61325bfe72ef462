"""The containers in memory: lookup by id, name or prefix, one lock each, and writing them to the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from linkspan.engine.workers import Workers
from linkspan.model.container import Container, State, from_document, to_document
from linkspan.model.errors import Conflict, InvalidParameter, NotFound
from linkspan.store.database import Store

KIND = "container"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a waiter learns: the exit code, and an error's text if there is one."""

    code: int
    error: str = ""


class Managed:
    """One container as the daemon manages it: the record, its lock, its waiters and its tasks.

    `starts` learn of the next start, `exits` of the next exit, `removals` of the removal, `endings` of
    whatever ends the output: an exit, a start that failed, or the removal. `delay` and `started` (monotonic
    seconds) serve the restart policy; `kept` holds off the automatic removal during a restart.
    """

    def __init__(self, container: Container) -> None:
        self.container = container
        self.lock = asyncio.Lock()
        self.starts: set[asyncio.Future[Outcome]] = set()
        self.exits: set[asyncio.Future[Outcome]] = set()
        self.removals: set[asyncio.Future[Outcome]] = set()
        self.endings: set[asyncio.Future[Outcome]] = set()
        self.supervision: asyncio.Task[None] | None = None
        self.health: asyncio.Task[None] | None = None
        self.restart: asyncio.Task[None] | None = None
        self.delay = 0.0
        self.started = 0.0
        self.gone = False
        self.kept = False

    @property
    def id(self) -> str:
        """Return the container's id."""
        return self.container.id

    @property
    def state(self) -> State:
        """Return the container's present state."""
        return self.container.state

    @property
    def alive(self) -> bool:
        """Return whether there is a process: running or paused, and not waiting for a restart."""
        return self.state.running and not self.state.restarting

    def change(self, **fields: Any) -> None:
        """Replace fields of the container."""
        self.container = replace(self.container, **fields)

    def change_state(self, **fields: Any) -> None:
        """Replace fields of the container's state."""
        self.change(state=replace(self.container.state, **fields))

    def waiter(self, among: set[asyncio.Future[Outcome]]) -> asyncio.Future[Outcome]:
        """Return a future that is in `among` (exits, removals or endings)."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        among.add(future)
        future.add_done_callback(among.discard)
        return future

    def tell_start(self) -> None:
        """Wake everyone who waits for the process to run."""
        _settle(self.starts, Outcome(0))

    def tell_exit(self, outcome: Outcome) -> None:
        """Wake everyone who waits for the next exit or the end of the output."""
        _settle(self.exits, outcome)
        _settle(self.endings, outcome)

    def tell_failed_start(self, outcome: Outcome) -> None:
        """Wake those who wait for output that will not come."""
        _settle(self.endings, outcome)

    def tell_removal(self, outcome: Outcome) -> None:
        """Wake everyone: nothing will ever happen to this container again."""
        self.tell_exit(outcome)
        _settle(self.removals, outcome)


def _settle(waiters: set[asyncio.Future[Outcome]], outcome: Outcome) -> None:
    for waiter in tuple(waiters):
        if not waiter.done():
            waiter.set_result(outcome)
    waiters.clear()


class Registry:
    """All containers. Used from the event loop only."""

    def __init__(self, store: Store, workers: Workers) -> None:
        self._store = store
        self._workers = workers
        self._by_id: dict[str, Managed] = {}
        self._names: dict[str, str] = {}

    async def load(self) -> list[Managed]:
        """Read every container from the store; called once at daemon start."""
        for container in await self._workers.run(self._store.read, KIND, from_document):
            self.insert(Managed(container))
        return self.all()

    def all(self) -> list[Managed]:
        """Return every container, newest first."""
        return sorted(self._by_id.values(), key=lambda m: m.container.created, reverse=True)

    def find(self, reference: str) -> Managed:
        """Return the container with that full id, exact name (with or without slash) or unique id prefix.

        Raises NotFound "No such container: X", or InvalidParameter when a prefix fits several.
        """
        if not reference:
            raise InvalidParameter("invalid container name or ID: value is empty")
        if found := self._by_id.get(reference):
            return found
        id = self._names.get(reference.removeprefix("/"), "")
        if found := self._by_id.get(id):  # none while a container of that name is just being made
            return found
        matches = [m for id, m in self._by_id.items() if id.startswith(reference)]
        if len(matches) > 1:
            raise InvalidParameter(f"multiple IDs found with provided prefix: {reference}")
        if not matches:
            raise NotFound(f"No such container: {reference}")
        return matches[0]

    def get(self, id: str) -> Managed | None:
        """Return the container with the full id `id`."""
        return self._by_id.get(id)

    def expects(self, id: str) -> bool:
        """Tell whether there is, or is just being made, a container with the full id `id`. For any thread."""
        return id in self._by_id or id in list(self._names.values())

    def reserve_name(self, name: str, id: str) -> None:
        """Take `name` (without slash) for `id`; raises Conflict with Docker's sentence when it is taken."""
        holder = self._names.get(name)
        if holder is not None and holder != id:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )
        self._names[name] = id

    def name_taken(self, name: str) -> bool:
        """Return whether `name` is in use."""
        return name in self._names

    def release_name(self, name: str) -> None:
        """Give a name back."""
        self._names.pop(name, None)

    def insert(self, managed: Managed) -> None:
        """Make the container known (its name is reserved or free)."""
        self._by_id[managed.id] = managed
        self._names[managed.container.name] = managed.id

    async def save(self, managed: Managed) -> None:
        """Write the container's record to the store."""
        await self._workers.run(self.write, managed.container)

    def write(self, container: Container) -> None:
        """Write a record to the store. Blocking; for a worker thread."""
        self._store.put(KIND, container.id, to_document(container))

    async def forget(self, managed: Managed) -> None:
        """Delete the container's record, and its name."""
        managed.gone = True
        await self._workers.run(self._store.delete, KIND, managed.id)
        self._by_id.pop(managed.id, None)
        if self._names.get(managed.container.name) == managed.id:
            del self._names[managed.container.name]

    def select(self, wanted: Callable[[Container], bool]) -> list[Managed]:
        """Return the containers for which `wanted` holds."""
        return [m for m in self.all() if wanted(m.container)]
