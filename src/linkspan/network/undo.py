"""Undo: what was done so far, taken back in reverse order when a later step fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Thread
from types import TracebackType
from typing import Any, Self

Steps = Iterable[Callable[[], Any]]


class Undo:
    """A stack of steps back. Leaving the `with` block by an exception runs them, the last one first.

    A step back that fails does not stop the others; what failed is noted on the exception.
    """

    def __init__(self) -> None:
        self._steps: list[Callable[[], Any]] = []

    def push(self, step: Callable[..., Any], *arguments: Any) -> None:
        """Remember how to take back what was just done."""
        self._steps.append(lambda: step(*arguments))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        for problem in attempt_all(reversed(self._steps)):
            error.add_note(f"while undoing: {problem}")


def attempt_together(one: Steps, other: Steps) -> list[Exception]:
    """Run two independent sequences of steps side by side, each like `attempt_all`; returns what failed.

    Deleting a link and walking the connection tracking table both wait in the kernel.
    """
    problems: list[Exception] = []
    beside = Thread(target=lambda: problems.extend(attempt_all(other)))
    beside.start()
    failed = attempt_all(one)
    beside.join()
    return failed + problems


def attempt_all(steps: Steps) -> list[Exception]:
    """Run every step, whatever the ones before did; returns what failed."""
    problems: list[Exception] = []
    for step in steps:
        try:
            step()
        except Exception as problem:
            problems.append(problem)
    return problems
