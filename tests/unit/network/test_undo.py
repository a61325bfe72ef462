"""Undo: in reverse order, only on failure, and past steps that fail themselves."""

from __future__ import annotations

import pytest

from linkspan.network.undo import Undo, attempt_all


def test_nothing_is_undone_when_all_went_well():
    done = []
    with Undo() as undo:
        undo.push(done.append, 1)
    assert done == []


def test_steps_are_undone_in_reverse_and_their_own_failures_noted():
    done = []

    def fail():
        raise OSError("cannot go back")

    with pytest.raises(ValueError, match=r"broken") as caught, Undo() as undo:
        undo.push(done.append, 1)
        undo.push(fail)
        undo.push(done.append, 2)
        raise ValueError("broken")
    assert done == [2, 1]
    assert caught.value.__notes__ == ["while undoing: cannot go back"]


def test_attempt_all_runs_every_step():
    done = []
    problems = attempt_all([lambda: done.append(1), lambda: 1 / 0, lambda: done.append(2)])
    assert done == [1, 2] and [type(problem) for problem in problems] == [ZeroDivisionError]
