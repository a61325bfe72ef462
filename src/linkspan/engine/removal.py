"""Removing containers: `docker rm`, `--rm`, and pruning."""

from __future__ import annotations

import logging
import shutil

from linkspan.engine.execs import Execs
from linkspan.engine.house import House
from linkspan.engine.image_uses import release_images
from linkspan.engine.registry import Managed, Outcome
from linkspan.engine.stopping import Stopping
from linkspan.engine.storage import Storage
from linkspan.model.errors import Conflict, LinkspanError, NotFound
from linkspan.runtime import parts

log = logging.getLogger(__name__)


class Removal:
    """Takes containers away with everything that was theirs."""

    def __init__(self, house: House, storage: Storage, stopping: Stopping, execs: Execs) -> None:
        self._house = house
        self._execs = execs
        self._storage = storage
        self._stopping = stopping

    async def remove(self, reference: str, force: bool = False, volumes: bool = False) -> None:
        """Remove a container; Conflict with Docker's text when it runs and `force` is not given."""
        managed = self._house.registry.find(reference)
        while not await self._removed(managed, reference, force, volumes):
            log.debug("%s was started while it was being removed", managed.container.name)

    async def _removed(self, managed: Managed, reference: str, force: bool, volumes: bool) -> bool:
        """Try once; False when somebody started it in between."""
        if managed.state.running:
            await self._end(managed, force)
        async with managed.lock:
            if managed.gone and not force:
                raise NotFound(f"No such container: {reference}")
            if managed.state.running:
                return False
            if not managed.gone:
                await self.finish(managed, volumes)
        return True

    async def _end(self, managed: Managed, force: bool) -> None:
        if not force:
            raise Conflict(_refusal(managed))
        await self._stopping.abandon_restart(managed)
        await self._stopping.kill_and_wait(managed)

    async def automatic(self, managed: Managed) -> None:
        """Remove an exited container started with --rm, unless somebody did so or started it again."""
        async with managed.lock:
            if not managed.gone and not managed.state.running:
                try:
                    await self.finish(managed, volumes=True)
                except LinkspanError as error:
                    log.error("removing %s: %s", managed.container.name, error)

    async def finish(self, managed: Managed, volumes: bool) -> None:
        """Delete everything of a container that does not run. The caller holds the lock."""
        house = self._house
        managed.change_state(removing=True)
        try:
            removed = await house.run_networked(managed.container, self._delete, managed, volumes)
        except Exception as error:
            managed.change_state(removing=False, dead=True)
            await house.registry.save(managed)
            raise LinkspanError(f'cannot remove container "/{managed.container.name}": {error}') from error
        await house.registry.forget(managed)
        self._execs.forget(managed)
        await release_images(house)
        for volume in removed:
            house.tell_volume(volume, "destroy")
        house.tell(managed.container, "destroy")
        managed.tell_removal(Outcome(managed.state.exit_code))

    def _delete(self, managed: Managed, volumes: bool) -> list[str]:
        """Delete what is on the host; return the names of the volumes that went with it."""
        house, container = self._house, managed.container
        house.runtime.delete(container.id, force=True)
        house.network.leave(container.id)
        house.network.release(container.id)
        house.overlay.remove(container.id)
        parts.release(house.parts(container.id))
        removed = self._storage.give_back(container, volumes)
        shutil.rmtree(house.directory(container.id), ignore_errors=True)
        return removed


def _refusal(managed: Managed) -> str:
    state = managed.state.status
    advice = (
        "container is paused and must be unpaused first"
        if state == "paused"
        else f"container is {state}: stop the container before removing or force remove"
    )
    return f'cannot remove container "/{managed.container.name}": {advice}'
