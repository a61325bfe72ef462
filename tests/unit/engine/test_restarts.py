"""Restart policies."""

from __future__ import annotations

from typing import Any

import pytest

from linkspan.engine.restarts import next_delay, should_restart, wanted_at_boot

ALWAYS, UNLESS, NO = {"Name": "always"}, {"Name": "unless-stopped"}, {"Name": "no"}
TWICE = {"Name": "on-failure", "MaximumRetryCount": 2}


@pytest.mark.parametrize(
    ("policy", "code", "restarts", "stopped", "again"),
    [
        (NO, 1, 0, False, False),
        (ALWAYS, 0, 9, False, True),
        (ALWAYS, 0, 0, True, False),
        (UNLESS, 0, 0, False, True),
        (UNLESS, 0, 0, True, False),
        (TWICE, 0, 0, False, False),
        (TWICE, 1, 1, False, True),
        (TWICE, 1, 2, False, False),
        ({"Name": "on-failure"}, 1, 99, False, True),
    ],
)
def test_should_restart(policy: dict[str, Any], code: int, restarts: int, stopped: bool, again: bool) -> None:
    assert should_restart(policy, code, restarts, stopped) is again


@pytest.mark.parametrize(
    ("policy", "stopped", "before", "start"),
    [
        (ALWAYS, True, True, True),
        (ALWAYS, False, False, False),
        (UNLESS, True, True, False),
        (UNLESS, False, True, True),
        (NO, False, True, False),
    ],
)
def test_wanted_at_boot(policy: dict[str, Any], stopped: bool, before: bool, start: bool) -> None:
    assert wanted_at_boot(policy, 0, 0, stopped, before) is start


def test_the_delay_doubles_up_to_a_minute_and_begins_afresh_after_a_long_run() -> None:
    delays, delay = [], 0.0
    for _ in range(11):
        delay = next_delay(delay, 1)
        delays.append(delay)
    assert delays[:3] == [0.1, 0.2, 0.4]
    assert delays[-1] == 60
    assert next_delay(60, 10) == 0.1
