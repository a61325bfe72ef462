"""Health checks: a command run in the container every so often, and what follows from its exit codes.

Source: moby daemon/health.go.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from linkspan.engine.execs import Execs
from linkspan.engine.house import House
from linkspan.engine.registry import Managed
from linkspan.model.container import Health, Probe
from linkspan.model.errors import LinkspanError
from linkspan.model.timestamps import SECOND, go_duration, rfc3339

log = logging.getLogger(__name__)

OUTPUT_LIMIT = 4096
LOG_LENGTH = 5
TIMED_OUT = -1


@dataclass(frozen=True, slots=True)
class Check:
    """A health check; times in seconds."""

    args: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 30.0
    start_period: float = 0.0
    start_interval: float = 5.0
    retries: int = 3


def health_check(config: Mapping[str, Any]) -> Check | None:
    """Return the check that Config asks for, or None."""
    given = config.get("Healthcheck") or {}
    test = list(given.get("Test") or ())
    if not test or test[0] in ("NONE", ""):
        return None
    args = test[1:] if test[0] == "CMD" else [*_shell(config), *test[1:]]

    def seconds(name: str, default: float) -> float:
        return float(given[name]) / SECOND if given.get(name) else default

    return Check(
        tuple(args),
        interval=seconds("Interval", 30.0),
        timeout=seconds("Timeout", 30.0),
        start_period=seconds("StartPeriod", 0.0),
        start_interval=seconds("StartInterval", 5.0),
        retries=given.get("Retries") or 3,
    )


def _shell(config: Mapping[str, Any]) -> list[str]:
    return list(config.get("Shell") or ("/bin/sh", "-c"))


def after(health: Health, probe: Probe, retries: int, starting_period: bool) -> Health:
    """Return the health after one more probe; failures in the start period do not count."""
    entries = (*health.log, probe)[-LOG_LENGTH:]
    if probe.exit_code == 0:
        return Health("healthy", 0, entries)
    if starting_period and health.status == "starting":
        return replace(health, log=entries)
    streak = health.failing_streak + 1
    return Health("unhealthy" if streak >= retries else health.status, streak, entries)


class HealthWatch:
    """Runs the checks of containers that have one."""

    def __init__(self, house: House, execs: Execs) -> None:
        self._house = house
        self._execs = execs

    def begin(self, managed: Managed) -> None:
        """Start checking a container that has just been started or adopted."""
        check = health_check(managed.container.config)
        if check is not None:
            managed.health = self._house.workers.spawn(self._watch(managed, check))

    def end(self, managed: Managed) -> None:
        """Stop checking."""
        if managed.health is not None:
            managed.health.cancel()
            managed.health = None

    async def _watch(self, managed: Managed, check: Check) -> None:
        begun = time.monotonic()
        while True:
            in_period = time.monotonic() - begun < check.start_period
            starting = (
                in_period and managed.state.health is not None and managed.state.health.status == "starting"
            )
            await asyncio.sleep(check.start_interval if starting else check.interval)
            if managed.state.paused:
                continue
            probe = await self._probe(managed, check)
            async with managed.lock:
                if not managed.alive:
                    return
                await self._record(managed, check, probe, time.monotonic() - begun < check.start_period)

    async def _probe(self, managed: Managed, check: Check) -> Probe:
        start = rfc3339(time.time_ns())
        try:
            code, output = await asyncio.wait_for(
                self._execs.probe(managed, check.args, OUTPUT_LIMIT), check.timeout
            )
        except TimeoutError:
            code, output = TIMED_OUT, f"Health check exceeded timeout ({go_duration(check.timeout)})"
        except LinkspanError as error:
            code, output = TIMED_OUT, str(error)
        return Probe(start, rfc3339(time.time_ns()), code, output)

    async def _record(self, managed: Managed, check: Check, probe: Probe, in_period: bool) -> None:
        before = managed.state.health or Health()
        health = after(before, probe, check.retries, in_period)
        managed.change_state(health=health)
        await self._house.registry.save(managed)
        if health.status != before.status:
            self._house.tell(managed.container, f"health_status: {health.status}")
