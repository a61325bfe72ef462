"""How often the same thing is put right before somebody has to be told that it does not last."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable

TIMES = 5
WITHIN = 30.0
"""Seconds."""


class Patience:
    """Counts repairs by what was repaired; not for two threads at once."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._repairs: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=TIMES))

    def lasts(self, what: str) -> bool:
        """Tell whether `what` may be repaired once more, and count it."""
        repairs, now = self._repairs[what], self._now()
        if len(repairs) == TIMES and now - repairs[0] < WITHIN:
            return False
        repairs.append(now)
        return True
