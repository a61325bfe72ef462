"""How long the daemon waits for its containers when it ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from linkspan.engine.recover import Recovery
from linkspan.engine.settings import DaemonSettings


def patience(shutdown_timeout: int, *stop_timeouts: int | None, alive: bool = True) -> float | None:
    managed = [
        SimpleNamespace(alive=alive, container=SimpleNamespace(config={"StopTimeout": seconds}))
        for seconds in stop_timeouts
    ]
    house: Any = SimpleNamespace(
        settings=DaemonSettings(shutdown_timeout=shutdown_timeout),
        registry=SimpleNamespace(all=lambda: managed),
    )
    nothing: Any = None
    return Recovery(house, nothing, nothing, nothing).patience()


@pytest.mark.parametrize(
    ("own", "stop_timeouts", "seconds"),
    [
        (15, (), 15),
        (15, (None,), 15),
        (3, (None,), 15),
        (15, (30, 1), 35),
        (-1, (1,), None),
        (15, (-1,), None),
    ],
)
def test_the_longest_grace_period_decides(
    own: int, stop_timeouts: tuple[int, ...], seconds: int | None
) -> None:
    assert patience(own, *stop_timeouts) == seconds


def test_who_does_not_run_needs_no_time() -> None:
    assert patience(15, 99, alive=False) == 15
