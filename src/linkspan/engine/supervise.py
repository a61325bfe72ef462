"""Watching over a running container: its exit, the cleaning up, the restart policy, the automatic removal."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from linkspan.engine.health import HealthWatch
from linkspan.engine.house import House
from linkspan.engine.launch import Launcher
from linkspan.engine.registry import Managed, Outcome
from linkspan.engine.removal import Removal
from linkspan.engine.restarts import next_delay, should_restart
from linkspan.model.errors import LinkspanError
from linkspan.model.timestamps import rfc3339
from linkspan.runtime import parts
from linkspan.runtime.process import ExitStatus

log = logging.getLogger(__name__)

Steps = tuple[tuple[str, Callable[[], object]], ...]


class Supervisor:
    """Starts containers and stays with them until they have ended."""

    def __init__(self, house: House, launcher: Launcher, removal: Removal, health: HealthWatch) -> None:
        self._house = house
        self._launcher = launcher
        self._removal = removal
        self._health = health
        self.stopping = False

    async def start(self, managed: Managed, restoring: bool = False) -> None:
        """Start and watch; the caller holds the lock. A failed start with --rm removes the container.

        `restoring`: by the restart policy; a host address to publish on may be missing then.
        """
        try:
            await self._launcher.launch(managed, restoring)
        except Exception:
            if managed.alive:  # it runs, and nobody could write that down: it must not run unwatched
                await self.clean_up(managed)
                managed.change_state(running=False, pid=0)
            if managed.container.auto_remove:
                await self._removal.finish(managed, volumes=True)
            raise
        self.watch(managed)

    def watch(self, managed: Managed) -> None:
        """Supervise a container that runs."""
        managed.supervision = self._house.workers.spawn(self._supervise(managed))
        self._health.begin(managed)

    async def _supervise(self, managed: Managed) -> None:
        status = await self._house.runtime.wait(managed.id)
        async with managed.lock:
            self._health.end(managed)
            await self.take_down(managed)
            await self.ended(managed, status)
        removable = managed.container.auto_remove and not managed.kept
        if removable and not managed.state.running and not self.stopping:
            await self._removal.automatic(managed)

    async def take_down(self, managed: Managed) -> None:
        """Clean up behind a process that has ended, and tell the networks that it was on."""
        sandbox = await self._house.workers.run(self._house.network.sandbox, managed.id)
        await self.clean_up(managed)
        for endpoint in sandbox.endpoints if sandbox else ():
            self._house.tell_network(managed.container, "disconnect", endpoint.network_id)
        if managed.state.running:
            self._house.tell_unmounted(managed.container)

    async def clean_up(self, managed: Managed) -> None:
        """Take down what a process leaves: runtime state and root file system, beside them names and sandbox.

        Goes on after errors.
        """
        house, id = self._house, managed.id
        process: Steps = (
            ("the runtime's state", partial(house.runtime.delete, id, force=True)),
            ("the root file system", partial(house.overlay.unmount, id)),
            ("the parts of volumes", partial(parts.release, house.parts(id))),
        )
        sandbox: Steps = (
            ("the names", partial(house.naming.left, id)),
            ("the sandbox", partial(house.network.leave, id)),
        )
        name = managed.container.name
        await asyncio.gather(
            house.workers.run(_take_down, name, process),
            house.run_networked(managed.container, _take_down, name, sandbox),
        )

    async def ended(self, managed: Managed, status: ExitStatus, restart: bool = True) -> None:
        """Record an exit, tell it, and with `restart` start again if the policy says so.

        The caller holds the lock.
        """
        run = time.monotonic() - managed.started
        again = (
            restart
            and not self.stopping
            and should_restart(
                managed.container.host_config["RestartPolicy"],
                status.code,
                managed.container.restart_count,
                managed.container.stopped_by_user,
            )
        )
        managed.change_state(
            running=again,
            restarting=again,
            paused=False,
            pid=0,
            exit_code=status.code,
            oom_killed=status.oom,
            finished_at=rfc3339(status.finished),
        )
        if again:
            managed.change(restart_count=managed.container.restart_count + 1)
        await self._house.registry.save(managed)
        self._tell_exit(managed, status, run)
        if again:
            managed.delay = next_delay(managed.delay, run)
            managed.restart = self._house.workers.spawn(self._restart_later(managed, managed.delay))

    def _tell_exit(self, managed: Managed, status: ExitStatus, run: float) -> None:
        house, container = self._house, managed.container
        if status.oom:
            house.tell(container, "oom")
        house.tell(container, "die", exitCode=str(status.code), execDuration=str(int(run)))
        managed.tell_exit(Outcome(status.code))

    async def _restart_later(self, managed: Managed, delay: float) -> None:
        await asyncio.sleep(delay)
        async with managed.lock:
            if managed.gone or not managed.state.restarting:
                return
            managed.restart = None
            try:
                await self.start(managed, restoring=True)
            except LinkspanError as error:
                log.warning("restarting %s: %s", managed.container.name, error)
                managed.tell_exit(Outcome(managed.state.exit_code, str(error)))


def _take_down(name: str, steps: Steps) -> None:
    for what, step in steps:
        try:
            step()
        except (LinkspanError, OSError, ExceptionGroup) as error:
            log.error("taking down %s of %s: %s", what, name, error)
