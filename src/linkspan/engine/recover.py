"""The daemon's start and stop: taking over what runs, recording what ended meanwhile, restart policies."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping

from linkspan.engine.house import House
from linkspan.engine.leftovers import leftovers
from linkspan.engine.registry import Managed
from linkspan.engine.removal import Removal
from linkspan.engine.restarts import wanted_at_boot
from linkspan.engine.stopping import Stopping, stop_signal, stop_timeout
from linkspan.engine.supervise import Supervisor
from linkspan.model.errors import LinkspanError
from linkspan.model.network import EndpointConfig
from linkspan.model.timestamps import NEVER
from linkspan.runtime.process import ExitStatus

log = logging.getLogger(__name__)

LOST = 255
MARGIN = 5


class Recovery:
    """Brings the containers of the store and the processes of the host together."""

    def __init__(self, house: House, supervisor: Supervisor, stopping: Stopping, removal: Removal) -> None:
        self._house = house
        self._supervisor = supervisor
        self._stopping = stopping
        self._removal = removal

    async def start(self) -> None:
        """Adopt containers that still run, settle those that do not, and start those that should run."""
        found = await self._house.registry.load()
        down = [managed for managed in found if not await self._adopt(managed)]
        await asyncio.gather(*(self._settled(managed) for managed in down))
        await self._house.workers.run(self._sweep)
        starting: dict[str, asyncio.Task[None]] = {}
        for managed in self._in_order(down):
            before = starting.get(managed.container.network_mode.partition("container:")[2])
            starting[managed.id] = self._house.workers.spawn(self._start(managed, before))

    async def _adopt(self, managed: Managed) -> bool:
        """Take over a container whose process lives; one that never was recorded as running is ended."""
        created = await self._house.workers.run(self._house.runtime.created, managed.id)
        if created is None:
            return False
        if not managed.state.running or managed.state.restarting:
            await self._supervisor.clean_up(managed)
            return False
        managed.change_state(pid=created.pid)
        await self._agree(managed)
        await self._house.workers.run(self._house.runtime.forget_sessions, managed.id)
        files = self._house.files(managed.id)
        await self._house.workers.run(self._house.naming.adopted, managed.container, files)
        managed.started = time.monotonic()
        self._supervisor.watch(managed)
        log.info("took over %s", managed.container.name)
        return True

    async def _agree(self, managed: Managed) -> None:
        """Let the record name the networks that the sandbox is on: a connect was interrupted in between."""
        sandbox = self._house.network.sandbox(managed.id)
        if sandbox is None:
            return
        recorded = managed.container.networks
        networks = {}
        for endpoint in sandbox.endpoints:
            name = endpoint.network_id if endpoint.network_id in recorded else endpoint.network_name
            networks[name] = recorded.get(name, endpoint.config)
        if networks.keys() != recorded.keys():
            managed.change(networks={**_in_order(recorded, networks), **networks})
            await self._house.registry.save(managed)

    async def _settled(self, managed: Managed) -> None:
        """Settle one container; whatever is wrong with it keeps nobody from using the others."""
        try:
            await self._settle(managed)
        except Exception:
            log.exception("settling %s", managed.container.name)

    async def _settle(self, managed: Managed) -> None:
        """Record the end of a container that the last daemon saw running, and clean up behind it."""
        async with managed.lock:
            status = await self._house.workers.run(self._house.runtime.exit_status, managed.id)
            await self._supervisor.take_down(managed)
            if managed.state.restarting:
                managed.change_state(running=False, restarting=False)
                await self._house.registry.save(managed)
            elif managed.state.running:
                status = status or ExitStatus(LOST, False, time.time_ns())
                await self._supervisor.ended(managed, status, restart=False)
            if managed.state.removing or managed.container.auto_remove:
                await self._remove(managed)

    async def _remove(self, managed: Managed) -> None:
        if managed.state.started_at == NEVER and not managed.state.removing:
            return
        try:
            await self._removal.finish(managed, volumes=managed.container.auto_remove)
        except LinkspanError as error:
            log.error("%s", error)

    def _sweep(self) -> None:
        """Remove what belongs to no container: processes, root file systems, sandboxes."""
        for leftover in leftovers(self._house):
            try:
                leftover.remove()
                log.info("%s removed", leftover.text)
            except (LinkspanError, OSError) as error:
                log.error("%s cannot be removed: %s", leftover.text, error)

    def _in_order(self, down: list[Managed]) -> list[Managed]:
        """Return those to start, containers that share another's network after that one."""
        wanted = [managed for managed in down if not managed.gone and self._wanted(managed)]
        return sorted(wanted, key=lambda m: m.container.network_mode.startswith("container:"))

    def _wanted(self, managed: Managed) -> bool:
        container = managed.container
        return wanted_at_boot(
            container.host_config["RestartPolicy"],
            container.state.exit_code,
            container.restart_count,
            container.stopped_by_user,
            container.state.started_at != NEVER,
        )

    async def _start(self, managed: Managed, before: asyncio.Task[None] | None) -> None:
        """Start a container, after the one whose network it shares."""
        if before is not None:
            await asyncio.wait([before])
        async with managed.lock:
            if managed.gone or managed.state.running:
                return
            try:
                await self._supervisor.start(managed, restoring=True)
            except LinkspanError as error:
                log.error("starting %s: %s", managed.container.name, error)

    def patience(self) -> float | None:
        """Return how long all containers may take to stop, in s: what the longest grace period needs.

        None is for ever. Source: moby Daemon.ShutdownTimeout.
        """
        own = self._house.settings.shutdown_timeout
        graces = [stop_timeout(one.container) for one in self._house.registry.all() if one.alive]
        return None if min([own, *graces]) < 0 else max([own, *(grace + MARGIN for grace in graces)])

    async def stop(self) -> None:
        """Stop every container within its grace period, all at once; with live-restore leave them running."""
        self._supervisor.stopping = True
        managed = self._house.registry.all()
        for one in managed:
            if one.restart is not None:
                one.restart.cancel()
        if not self._house.settings.live_restore:
            await asyncio.gather(*(self._stop(one) for one in managed if one.alive))

    async def _stop(self, managed: Managed) -> None:
        container = managed.container
        try:
            await self._stopping.stop_and_wait(
                managed, stop_signal(container), stop_timeout(container), by_user=False
            )
        except LinkspanError as error:
            log.error("stopping %s: %s", container.name, error)


def _in_order(before: Iterable[str], now: Mapping[str, EndpointConfig]) -> dict[str, EndpointConfig]:
    return {name: now[name] for name in before if name in now}
