"""Deletions of links that arrive while another one is under way are done together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class _Batch:
    names: list[str] = field(default_factory=list)
    done: bool = False
    error: OSError | None = None


class Reaper:
    """Hands names to `delete` in batches: what waits for one deletion is deleted by the next, as a whole.

    A deletion of fifty links takes the kernel hardly longer than that of one. Thread-safe.
    """

    def __init__(self, delete: Callable[[Sequence[str]], None]) -> None:
        self._delete = delete
        self._joining = Lock()
        self._working = Lock()
        self._next = _Batch()

    def delete(self, names: Sequence[str]) -> None:
        """Return when all of `names` are deleted; raises the OSError that the deletion ended with."""
        if not names:
            return
        with self._joining:
            batch = self._next
            batch.names += names
        with self._working:
            if not batch.done:
                self._work(batch)
        if batch.error is not None:
            raise batch.error

    def _work(self, batch: _Batch) -> None:
        with self._joining:
            self._next = _Batch()
        try:
            self._delete(batch.names)
        except OSError as error:
            batch.error = error
        finally:
            batch.done = True
