"""Answers kept as bytes: a query's bytes after its id lead to the answer's bytes after its id."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from linkspan.path.dns import message

CAPACITY = 4096  # answers
LARGEST_KEY = 512  # bytes of a question worth keeping


@dataclass(slots=True)
class Kept:
    """An answer until the monotonic time `until`; TTLs at `offsets` count down from `since`.

    `variants` are equal answers in other orders, given out at random.
    """

    variants: list[bytes]
    since: float
    until: float
    offsets: tuple[int, ...] = ()
    _second: int = field(default=0, init=False)
    _original: list[bytes] = field(default_factory=list, init=False)

    def answer(self, now: float) -> bytes:
        """Return the answer's bytes after the id, as of `now`."""
        if self.offsets:
            second = int(now - self.since)
            if second != self._second:
                self._age(second)
        variants = self.variants
        return variants[0] if len(variants) == 1 else random.choice(variants)

    def right_until(self, now: float) -> float:
        """Return until when the answer of `now` stays as it is."""
        return min(self.until, self.since + int(now - self.since) + 1) if self.offsets else self.until

    def _age(self, second: int) -> None:
        self._original = self._original or self.variants
        shifted = [at - 2 for at in self.offsets]
        self.variants = [message.aged(answer, shifted, second) for answer in self._original]
        self._second = second


class Cache:
    """A bounded table of answers; when it is full the oldest go first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._table: dict[bytes, Kept] = {}
        self._ready: dict[bytes, bytes] = {}
        self._ready_until = float("inf")

    def __len__(self) -> int:
        return len(self._table)

    def get(self, key: bytes, now: float) -> bytes | None:
        """Return the answer after its id to the query `key` after its id, or None."""
        kept = self._table.get(key)
        if kept is None:
            return None
        if kept.until <= now:
            del self._table[key]
            return None
        return kept.answer(now)

    def ready(self, now: float) -> dict[bytes, bytes]:
        """Return those answers that `recall` gave and that are still right at `now`, by their keys.

        One look into it answers a question that was asked within the same second.
        """
        if self._ready_until <= now:
            self._ready.clear()
            self._ready_until = float("inf")
        return self._ready

    def recall(self, key: bytes, now: float) -> bytes | None:
        """Return what `get` returns, and have it ready unless the next one to ask shall get another order."""
        answer = self.get(key, now)
        if answer is not None:
            kept = self._table[key]
            if len(kept.variants) == 1:
                self._ready[key] = answer
                self._ready_until = min(self._ready_until, kept.right_until(now))
        return answer

    def put(self, key: bytes, variants: list[bytes], now: float, seconds: int) -> None:
        """Keep whole answers (with ids) that were given at `now` for `seconds`; their TTLs count down."""
        if seconds <= 0 or len(key) > LARGEST_KEY:
            return
        offsets = message.lifetime_offsets(variants[0])
        self._insert(key, Kept([answer[2:] for answer in variants], now, now + seconds, offsets))

    def put_fixed(self, key: bytes, variants: list[bytes]) -> None:
        """Keep whole answers (with ids) until the table is emptied; their TTLs stay as they are."""
        if len(key) <= LARGEST_KEY:
            self._insert(key, Kept([answer[2:] for answer in variants], 0.0, float("inf")))

    def _insert(self, key: bytes, kept: Kept) -> None:
        if len(self._table) >= self._capacity and key not in self._table:
            oldest = next(iter(self._table))
            del self._table[oldest]
            self._ready.pop(oldest, None)
        self._table[key] = kept
        self._ready.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._table.clear()
        self._ready.clear()
