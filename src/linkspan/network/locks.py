"""Locks by key: work on one container is one after the other, work on different ones goes side by side."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class KeyedLocks:
    """A lock for each key that somebody holds or waits for; nothing is kept for the others."""

    def __init__(self) -> None:
        self._guard = threading.Condition()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._alone = 0

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Hold the lock of `key` inside the `with` block."""
        if self._alone == threading.get_ident():
            yield
            return
        with self._guard:
            self._guard.wait_for(lambda: not self._alone)
            lock, users = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks[key]
                if users == 1:
                    del self._locks[key]
                    self._guard.notify_all()
                else:
                    self._locks[key] = lock, users - 1

    @contextmanager
    def alone(self, patience: float) -> Iterator[None]:
        """Hold the locks of all keys inside the `with` block; this thread may `hold` single ones in it.

        New holders wait. Raises TimeoutError when those who hold one now do not end in `patience` seconds.
        """
        with self._guard:
            self._guard.wait_for(lambda: not self._alone)
            self._alone = threading.get_ident()
            if not self._guard.wait_for(lambda: not self._locks, patience):
                self._alone = 0
                self._guard.notify_all()
                raise TimeoutError(f"still at work after {patience:g} s: {len(self._locks)} containers")
        try:
            yield
        finally:
            with self._guard:
                self._alone = 0
                self._guard.notify_all()
