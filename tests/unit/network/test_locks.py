"""Locks by key: one after the other for the same key, side by side for others, nothing kept."""

from __future__ import annotations

import threading

import pytest

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


def test_who_is_alone_waits_for_the_others_and_bars_new_ones():
    locks, order, started = KeyedLocks(), [], threading.Event()

    def work():
        started.wait(5)
        with locks.hold("web"):
            order.append("web")

    thread = threading.Thread(target=work)
    thread.start()
    with locks.alone(5), locks.hold("web"):
        started.set()
        thread.join(0.05)
        order.append("alone")
    thread.join(5)
    assert order == ["alone", "web"]


def test_who_cannot_be_alone_in_time_is_told_and_bars_nobody():
    locks, inside, done = KeyedLocks(), threading.Event(), threading.Event()

    def work():
        with locks.hold("web"):
            inside.set()
            done.wait(5)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(5)
    with pytest.raises(TimeoutError, match="1 containers"), locks.alone(0.01):
        pass
    with locks.hold("db"):
        done.set()
    thread.join(5)
