"""What users do to a container: start, stop, kill, restart, pause, rename, update, resize."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkspan.engine import resource_rules
from linkspan.engine.house import House
from linkspan.engine.names import checked_name
from linkspan.engine.process import resources
from linkspan.engine.registry import Managed
from linkspan.engine.signals import signal_number
from linkspan.engine.stopping import Stopping, stop_signal, stop_timeout
from linkspan.engine.supervise import Supervisor
from linkspan.engine.validation import check_restart_policy
from linkspan.model.errors import Conflict, InvalidParameter, LinkspanError, NotFound

UPDATABLE = (
    "CpuShares",
    "Memory",
    "CpuPeriod",
    "CpuQuota",
    "CpusetCpus",
    "CpusetMems",
    "MemoryReservation",
    "MemorySwap",
    "NanoCpus",
    "PidsLimit",
    "BlkioWeight",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
)


class Lifecycle:
    """The use cases that change a container's run state."""

    def __init__(self, house: House, supervisor: Supervisor, stopping: Stopping) -> None:
        self._house = house
        self._supervisor = supervisor
        self._stopping = stopping

    async def start(self, reference: str) -> bool:
        """Start a container; False when it runs already. Raises Conflict, and what the start fails with."""
        managed = self._house.registry.find(reference)
        async with managed.lock:
            _refuse_gone(managed, reference)
            if managed.state.paused:
                raise Conflict("cannot start a paused container, try unpause instead")
            if managed.alive:
                return False
            if managed.state.removing or managed.state.dead:
                raise Conflict("container is marked for removal and cannot be started")
            await self._begin(managed)
        return True

    async def _begin(self, managed: Managed) -> None:
        if managed.restart is not None:
            managed.restart.cancel()
            managed.restart = None
        managed.delay = 0.0
        managed.change(restart_count=0, stopped_by_user=False)
        await self._supervisor.start(managed)

    async def stop(self, reference: str, timeout: int | None = None, signal: str = "") -> bool:
        """Stop a container within `timeout` seconds; False when it does not run."""
        managed = self._house.registry.find(reference)
        number = signal_number(signal) if signal else stop_signal(managed.container)
        return await self._stop(managed, timeout, number)

    async def _stop(self, managed: Managed, timeout: int | None, number: int) -> bool:
        await self._stopping.abandon_restart(managed)
        if not managed.state.running:
            return False
        seconds = stop_timeout(managed.container) if timeout is None else timeout
        managed.change(stopped_by_user=True)
        try:
            await self._stopping.stop_and_wait(managed, number, seconds)
        except Conflict:
            if managed.state.running:
                raise
        self._house.tell(managed.container, "stop")
        return True

    async def kill(self, reference: str, signal: str = "") -> None:
        """Send a signal (SIGKILL by default); Conflict when the container does not run."""
        managed = self._house.registry.find(reference)
        try:
            number = signal_number(signal or "SIGKILL")
            if managed.state.restarting:
                await self._stopping.abandon_restart(managed)
                return
            exit = await self._stopping.signal(managed, number)
        except LinkspanError as error:
            raise type(error)(f"cannot kill container: {reference}: {error}") from error
        if number == 9:
            await exit

    async def restart(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        """Stop and start again; a container that does not run is only started."""
        managed = self._house.registry.find(reference)
        number = signal_number(signal) if signal else stop_signal(managed.container)
        managed.kept = True
        try:
            await self._stop(managed, timeout, number)
            async with managed.lock:
                _refuse_gone(managed, reference)
                if not managed.alive:
                    await self._begin(managed)
        finally:
            managed.kept = False
        self._house.tell(managed.container, "restart")

    async def pause(self, reference: str) -> None:
        """Freeze every process."""
        managed = self._house.registry.find(reference)
        async with managed.lock:
            if not managed.state.running:
                raise Conflict(f"container {managed.id} is not running")
            if managed.state.paused:
                raise Conflict(f"container {managed.id} is already paused")
            if managed.state.restarting:
                raise Conflict(f"Container {managed.id} is restarting, wait until the container is running")
            await self._house.workers.run(self._house.runtime.pause, managed.id)
            managed.change_state(paused=True)
            await self._house.registry.save(managed)
        self._house.tell(managed.container, "pause")

    async def unpause(self, reference: str) -> None:
        """Let a paused container run on."""
        managed = self._house.registry.find(reference)
        async with managed.lock:
            if not managed.state.paused:
                raise LinkspanError(f"Container {managed.id} is not paused")
            await self._house.workers.run(self._house.runtime.resume, managed.id)
            managed.change_state(paused=False)
            await self._house.registry.save(managed)
        self._house.tell(managed.container, "unpause")

    async def rename(self, reference: str, name: str) -> None:
        """Give another name; Conflict when it is taken."""
        managed = self._house.registry.find(reference)
        if not name:
            raise InvalidParameter("Neither old nor new names may be empty")
        new = checked_name(name)
        async with managed.lock:
            _refuse_gone(managed, reference)
            old = managed.container.name
            if new == old:
                raise InvalidParameter("Renaming a container with the same name as its current name")
            self._house.registry.reserve_name(new, managed.id)
            await self._house.workers.run(self._house.network.rename, managed.id, new)
            managed.change(name=new)
            await self._house.registry.save(managed)
            files = self._house.files(managed.id)
            await self._house.workers.run(self._house.naming.changed, managed.container, files)
            self._house.registry.release_name(old)
        self._house.tell(managed.container, "rename", oldName=f"/{old}")

    async def update(self, reference: str, body: Mapping[str, Any]) -> list[str]:
        """Change limits and restart policy, of a running container too; returns warnings."""
        managed = self._house.registry.find(reference)
        policy = body.get("RestartPolicy") or {}
        changes: dict[str, Any] = {name: body[name] for name in UPDATABLE if body.get(name)}
        changes |= {name: body[name] for name in resource_rules.RATES if body.get(name) is not None}
        if policy.get("Name"):
            check_restart_policy(policy)
            changes["RestartPolicy"] = {
                "Name": policy["Name"],
                "MaximumRetryCount": policy.get("MaximumRetryCount") or 0,
            }
        async with managed.lock:
            _refuse_gone(managed, reference)
            if "RestartPolicy" in changes and managed.container.auto_remove and policy["Name"] != "no":
                raise Conflict(
                    "Restart policy cannot be updated because AutoRemove is enabled for the container"
                )
            abilities = self._house.runtime.abilities
            resource_rules.check_update(managed.container.host_config, changes)
            before = managed.container.host_config
            host = {**before, **changes}
            resource_rules.check(host, abilities)
            if managed.alive and set(changes) - {"RestartPolicy"}:
                await self._house.workers.run(self._limit, managed.id, before, host)
            managed.change(host_config=host)
            await self._house.registry.save(managed)
        self._house.tell(managed.container, "update")
        return []

    def _limit(self, id: str, before: Mapping[str, Any], host: Mapping[str, Any]) -> None:
        self._house.runtime.update(id, resources(resource_rules.lifted(before, host)))

    async def resize(self, reference: str, height: int, width: int) -> None:
        """Set the size of the terminal, in characters."""
        managed = self._house.registry.find(reference)
        if not managed.alive:
            raise Conflict(f"container {managed.id} is not running")
        await self._house.workers.run(self._house.runtime.resize, managed.id, height, width)
        self._house.tell(managed.container, "resize", height=str(height), width=str(width))


def _refuse_gone(managed: Managed, reference: str) -> None:
    if managed.gone:
        raise NotFound(f"No such container: {reference}")
