"""Restart policies: whether a container that ended is started again, and after how long (pure).

Source: moby restartmanager/restartmanager.go: 100 ms, doubling up to a minute, afresh after a run of 10 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIRST_DELAY = 0.1
LONGEST_DELAY = 60.0
LONG_RUN = 10.0


def should_restart(policy: Mapping[str, Any], exit_code: int, restarts: int, stopped_by_user: bool) -> bool:
    """Return whether `policy` (HostConfig.RestartPolicy) wants a new start after this exit."""
    name, limit = policy.get("Name"), policy.get("MaximumRetryCount") or 0
    if stopped_by_user:
        return False
    if name in ("always", "unless-stopped"):
        return True
    return name == "on-failure" and exit_code != 0 and (limit == 0 or restarts < limit)


def wanted_at_boot(
    policy: Mapping[str, Any], exit_code: int, restarts: int, stopped_by_user: bool, started_before: bool
) -> bool:
    """Return whether a container that is down is started when the daemon starts; "always" forgets a stop."""
    if not started_before:
        return False
    if policy.get("Name") == "always":
        return True
    return should_restart(policy, exit_code, restarts, stopped_by_user)


def next_delay(previous: float, run: float) -> float:
    """Return the seconds to wait, after a delay of `previous` and a run of `run` seconds."""
    if previous == 0 or run >= LONG_RUN:
        return FIRST_DELAY
    return min(previous * 2, LONGEST_DELAY)
