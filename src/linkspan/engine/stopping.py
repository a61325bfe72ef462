"""Ending a container's process: signals, the grace period, and SIGKILL."""

from __future__ import annotations

import asyncio
import logging
from signal import SIGKILL

from linkspan.engine.house import House
from linkspan.engine.registry import Managed, Outcome
from linkspan.engine.signals import signal_number
from linkspan.model.container import Container
from linkspan.model.errors import Conflict, LinkspanError

log = logging.getLogger(__name__)

GRACE = 10
LAST_RESORT = 10.0


def stop_signal(container: Container) -> int:
    """Return the signal that asks this container to end."""
    return signal_number(container.config.get("StopSignal") or "SIGTERM")


def stop_timeout(container: Container) -> int:
    """Return the seconds between the stop signal and SIGKILL; negative is for ever."""
    given = container.config.get("StopTimeout")
    return GRACE if given is None else int(given)


class Stopping:
    """Sends signals and waits for what they bring about."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def signal(self, managed: Managed, number: int, by_user: bool = True) -> asyncio.Future[Outcome]:
        """Send a signal, tell it, and return a future of the next exit; Conflict when nothing runs."""
        async with managed.lock:
            if not managed.alive:
                raise Conflict(f"container {managed.id} is not running")
            if by_user:
                await self._mark(managed, number)
            exit = managed.waiter(managed.exits)
            try:
                await self._house.workers.run(self._deliver, managed, number)
            except BaseException:
                exit.cancel()
                raise
        self._house.tell(managed.container, "kill", signal=str(number))
        return exit

    async def _mark(self, managed: Managed, number: int) -> None:
        """Remember that the user wants it down, so that no restart policy brings it back."""
        own = managed.container.config.get("StopSignal")
        if number == SIGKILL or not own or number == stop_signal(managed.container):
            managed.change(stopped_by_user=True)
            await self._house.registry.save(managed)

    def _deliver(self, managed: Managed, number: int) -> None:
        runtime = self._house.runtime
        try:
            runtime.kill(managed.id, number)
            if managed.state.paused:
                runtime.resume(managed.id)
        except LinkspanError:
            if runtime.exit_status(managed.id) is None and runtime.created(managed.id) is not None:
                raise

    async def abandon_restart(self, managed: Managed) -> None:
        """Make a container that waits for its restart an exited one."""
        async with managed.lock:
            if not managed.state.restarting:
                return
            if managed.restart is not None:
                managed.restart.cancel()
                managed.restart = None
            managed.change_state(running=False, restarting=False)
            managed.change(stopped_by_user=True)
            await self._house.registry.save(managed)
            managed.tell_exit(Outcome(managed.state.exit_code))

    async def stop_and_wait(self, managed: Managed, number: int, timeout: int, by_user: bool = True) -> None:
        """Ask it to end, wait `timeout` seconds (negative: for ever), then kill it."""
        exit = await self.signal(managed, number, by_user)
        if await _within(exit, None if timeout < 0 else timeout):
            return
        log.info("%s did not end %d s after signal %d, killing it", managed.container.name, timeout, number)
        await self.kill_and_wait(managed, by_user)

    async def kill_and_wait(self, managed: Managed, by_user: bool = True) -> None:
        """Send SIGKILL and wait until the exit has been dealt with.

        One that has ended meanwhile, and waits for its restart perhaps, needs none.
        """
        try:
            exit = await self.signal(managed, SIGKILL, by_user)
        except Conflict:
            if managed.alive:
                raise
            return
        if not await _within(exit, LAST_RESORT):
            raise LinkspanError(
                f"tried to kill container, but did not receive an exit event: {managed.container.name}"
            )


async def _within(exit: asyncio.Future[Outcome], seconds: float | None) -> bool:
    try:
        await asyncio.wait_for(asyncio.shield(exit), seconds)
    except TimeoutError:
        exit.cancel()
        return False
    return True
