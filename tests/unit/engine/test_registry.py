"""Lookup, names, waiters, and the way to the store and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from linkspan.engine.registry import Managed, Outcome, Registry
from linkspan.engine.waiting import Waiting
from linkspan.engine.workers import Workers
from linkspan.model.container import Container, State
from linkspan.model.errors import Conflict, InvalidParameter, NotFound
from linkspan.store.database import Store


def container(id: str, name: str, **fields: Any) -> Container:
    return Container(
        id=id,
        name=name,
        created=f"2024-01-01T00:00:0{len(name)}Z",
        image_id="",
        image="",
        path="",
        args=(),
        config={},
        host_config={},
        **fields,
    )


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    store, workers = Store(tmp_path / "db"), Workers()
    yield Registry(store, workers)
    await workers.stop()
    store.close()


async def test_found_by_id_name_and_unique_prefix(registry: Registry) -> None:
    one, two = Managed(container("abc1", "web")), Managed(container("abd2", "abc"))
    registry.insert(one)
    registry.insert(two)
    assert registry.find("abc1") is one
    assert registry.find("/web") is registry.find("web") is one
    assert registry.find("abc") is two
    assert registry.find("abd") is two
    with pytest.raises(InvalidParameter, match="multiple IDs found with provided prefix: ab"):
        registry.find("ab")
    with pytest.raises(NotFound, match="No such container: zz"):
        registry.find("zz")
    with pytest.raises(InvalidParameter):
        registry.find("")


async def test_a_name_belongs_to_one(registry: Registry) -> None:
    registry.reserve_name("web", "1")
    registry.reserve_name("web", "1")
    with pytest.raises(Conflict, match='The container name "/web" is already in use by container "1"'):
        registry.reserve_name("web", "2")
    registry.release_name("web")
    registry.reserve_name("web", "2")
    assert registry.name_taken("web")


async def test_what_is_saved_is_loaded(registry: Registry) -> None:
    managed = Managed(container("abc1", "web", state=State(exit_code=3)))
    registry.insert(managed)
    await registry.save(managed)
    again = Registry(registry._store, registry._workers)
    assert [m.container for m in await again.load()] == [managed.container]
    await again.forget(again.find("web"))
    assert await Registry(registry._store, registry._workers).load() == []


async def test_the_newest_comes_first(registry: Registry) -> None:
    for id, name in (("1", "a1"), ("2", "a22"), ("3", "a333")):
        registry.insert(Managed(container(id, name)))
    assert [m.id for m in registry.all()] == ["3", "2", "1"]


async def test_waiters_learn_of_what_they_wait_for() -> None:
    managed = Managed(container("1", "web"))
    starts, exits = managed.waiter(managed.starts), managed.waiter(managed.exits)
    endings, removals = managed.waiter(managed.endings), managed.waiter(managed.removals)
    managed.tell_start()
    assert starts.done()
    assert not exits.done()
    managed.tell_failed_start(Outcome(127, "no"))
    assert endings.result() == Outcome(127, "no")
    managed.tell_exit(Outcome(3))
    assert exits.result() == Outcome(3)
    managed.tell_removal(Outcome(3))
    assert removals.result() == Outcome(3)


async def test_a_waiter_that_gives_up_is_forgotten() -> None:
    managed = Managed(container("1", "web"))
    future = managed.waiter(managed.exits)
    future.cancel()
    managed.tell_exit(Outcome(0))
    assert not managed.exits


async def test_wait_conditions(registry: Registry) -> None:
    managed = Managed(container("1", "web", state=State(exit_code=4)))
    registry.insert(managed)
    waiting = Waiting(registry)
    assert waiting.wait("web").result() == Outcome(4)
    following, gone = waiting.wait("web", "next-exit"), waiting.wait("web", "removed")
    assert not following.done()
    managed.tell_removal(Outcome(9))
    assert (following.result().code, gone.result().code) == (9, 9)
    managed.change_state(running=True)
    pending = waiting.wait("web", "not-running")
    assert not pending.done()
    pending.cancel()
    with pytest.raises(InvalidParameter, match="invalid condition"):
        waiting.wait("web", "later")


async def test_a_container_that_waits_for_its_restart_is_not_alive() -> None:
    managed = Managed(container("1", "web", state=State(running=True)))
    assert managed.alive
    managed.change_state(restarting=True)
    assert not managed.alive
