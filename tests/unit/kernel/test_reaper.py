"""Deletions are gathered while one is under way, and each caller waits for its own."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from linkspan.kernel.reaper import Reaper


def test_what_arrives_during_a_deletion_is_deleted_together():
    calls, begun, go_on = [], Event(), Event()

    def delete(names):
        calls.append(sorted(names))
        begun.set()
        assert go_on.wait(5)

    reaper = Reaper(delete)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(reaper.delete, ["a"])
        assert begun.wait(5)
        others = [pool.submit(reaper.delete, [f"b{number}"]) for number in range(8)]
        while len(reaper._next.names) < 8:
            assert not others[0].done()
        go_on.set()
        for future in (first, *others):
            future.result(5)
    assert calls == [["a"], [f"b{number}" for number in range(8)]]


def test_nothing_to_delete_calls_nobody():
    Reaper(lambda names: pytest.fail("called")).delete([])


def test_an_error_reaches_the_caller_and_the_next_one_starts_afresh():
    answers = [OSError(1, "no"), None]

    def delete(names):
        if answer := answers.pop(0):
            raise answer

    reaper = Reaper(delete)
    with pytest.raises(OSError, match="no"):
        reaper.delete(["a"])
    reaper.delete(["b"])
