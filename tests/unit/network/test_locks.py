"""Locks by key: one after the other for the same key, side by side for others, nothing kept."""

from __future__ import annotations

import threading

from linkspan.network.locks import KeyedLocks


def test_the_same_key_is_one_after_the_other():
    locks, running, most = KeyedLocks(), [0], [0]

    def work():
        for _ in range(200):
            with locks.hold("web"):
                running[0] += 1
                most[0] = max(most[0], running[0])
                running[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] and locks._locks == {}


def test_different_keys_are_side_by_side():
    locks, inside = KeyedLocks(), threading.Event()

    def work():
        with locks.hold("db"):
            inside.set()

    with locks.hold("web"):
        thread = threading.Thread(target=work)
        thread.start()
        assert inside.wait(5)
        thread.join()
