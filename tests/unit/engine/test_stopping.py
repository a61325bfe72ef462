"""Ending what ends by itself at the same moment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from linkspan.engine.registry import Managed
from linkspan.engine.stopping import Stopping
from linkspan.model.container import Container, State
from linkspan.model.errors import Conflict


class Workers:
    async def run(self, work: Any, *arguments: Any) -> Any:
        return work(*arguments)


def managed(**state: bool) -> Managed:
    return Managed(Container("c" * 64, "loop", "", "", "busybox", "false", (), {}, {}, state=State(**state)))


async def test_one_that_waits_for_its_restart_has_ended_already() -> None:
    """It died between the look at it and the signal: `rm -f` then takes the restart away."""
    stopping = Stopping(cast(Any, SimpleNamespace()))
    await stopping.kill_and_wait(managed(running=True, restarting=True))
    await stopping.kill_and_wait(managed())


async def test_one_that_runs_and_cannot_be_told_is_an_error() -> None:
    def refuse(id: str, number: int) -> None:
        raise Conflict(f"container {id} is not running")

    runtime = SimpleNamespace(kill=refuse, exit_status=lambda id: None, created=lambda id: object())
    house = SimpleNamespace(workers=Workers(), runtime=runtime, registry=SimpleNamespace())
    one = managed(running=True)
    with pytest.raises(Conflict, match="is not running"):
        await Stopping(cast(Any, house)).kill_and_wait(one, by_user=False)
    assert not one.exits or all(each.cancelled() for each in one.exits)
