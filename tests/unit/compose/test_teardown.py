"""down, stop, start, restart, kill, rm."""

from __future__ import annotations

from dataclasses import replace

from linkspan.compose import labels, teardown
from linkspan.compose.state import Container
from linkspan.compose.teardown import Ruin

SHOP = """\
    services:
      web: {image: busybox, depends_on: [db]}
      db: {image: busybox, volumes: ["data:/d"]}
    volumes: {data: }
    """


def did(plan) -> list[str]:
    return [f"{step.done.lower()} {step.subject.partition(' ')[2]}" for step in plan.steps]


def test_down_goes_backwards(desk, world):
    project = desk.load(SHOP)
    plan = teardown.down("shop", project, world.up(project).state(), Ruin())
    assert did(plan) == [
        "stopped shop-web-1",
        "removed shop-web-1",
        "stopped shop-db-1",
        "removed shop-db-1",
        "removed shop_default",
    ]
    stop = next(step for step in plan.steps if step.key == "stop:shop-db-1")
    assert stop.after == {"stop:shop-web-1", "remove:shop-web-1"}


def test_down_without_a_file_goes_by_labels(desk, world):
    state = world.up(desk.load(SHOP)).state()
    assert did(teardown.down("shop", None, state, Ruin(volumes=True)))[0] == "stopped shop-web-1"


def test_down_with_volumes(desk, world):
    project = desk.load(SHOP)
    plan = teardown.down("shop", project, world.up(project).state(), Ruin(volumes=True, timeout=3))
    assert "removed shop_data" in did(plan)
    calls = {step.key: step.calls[0] for step in plan.steps}
    assert calls["remove:shop-db-1"].query == {"force": True, "v": True}
    assert calls["stop:shop-db-1"].query == {"t": 3}


def test_orphans_stay_and_so_does_their_network(desk, world):
    world.up(desk.load(SHOP))
    smaller = desk.load("services: {db: {image: busybox}}")
    plan = teardown.down("shop", smaller, world.state(), Ruin())
    assert did(plan) == ["stopped shop-db-1", "removed shop-db-1"]
    assert "Network shop_default is still in use by shop-web-1" in plan.notices[0]
    assert "removed shop_default" in did(
        teardown.down("shop", smaller, world.state(), Ruin(remove_orphans=True))
    )


def test_nothing_there(desk, world):
    assert teardown.down("shop", None, world.state(), Ruin()).notices == (
        "No resource found to remove for project shop.",
    )


def test_down_of_some_services(desk, world):
    project = desk.load(SHOP)
    plan = teardown.down("shop", project, world.up(project).state(), Ruin(services=("web",)))
    assert did(plan) == ["stopped shop-web-1", "removed shop-web-1"]


def test_images(desk, world):
    project = desk.load("services: {a: {image: busybox}, b: {build: .}}")
    state = world.up(project).state()
    assert did(teardown.down("shop", project, state, Ruin(images="local")))[-1] == "removed shop-b"
    assert "removed busybox" in did(teardown.down("shop", project, state, Ruin(images="all")))
    without = teardown.down(
        "shop",
        None,
        replace(state, containers=(replace(state.containers[0], image="i"),)),
        Ruin(images="all"),
    )
    assert did(without)[-1] == "removed i"


def test_stop_start_restart_kill(desk, world):
    project = desk.load(SHOP)
    found = world.up(project).containers
    assert did(teardown.stop(found, project, 5)) == ["stopped shop-web-1", "stopped shop-db-1"]
    assert did(teardown.start(found, project)) == []
    stopped = [replace(each, state="exited") for each in found]
    assert did(teardown.start(stopped, None)) == ["started shop-db-1", "started shop-web-1"]
    assert did(teardown.stop(stopped, project, None)) == []
    restart = teardown.restart(found, project, 1)
    assert did(restart) == ["started shop-db-1", "started shop-web-1"]
    assert restart.steps[0].calls[0].query == {"t": 1}
    kill = teardown.kill(found, "SIGHUP")
    assert kill.steps[0].calls[0].query == {"signal": "SIGHUP"}
    assert did(teardown.kill(stopped, "")) == []


def test_rm(desk, world):
    project = desk.load(SHOP)
    running, other = world.up(project).containers
    stopped = replace(other, state="exited")
    assert did(teardown.remove([running, stopped], volumes=False, stop_first=False)) == [
        f"removed {other.name}"
    ]
    assert len(did(teardown.remove([running, stopped], volumes=True, stop_first=True))) == 3


def test_circles_of_labels_do_not_hang(world):
    found = [
        Container(
            name,
            name,
            "running",
            {labels.PROJECT: "shop", labels.SERVICE: name, labels.DEPENDS_ON: f"{other}:x:y"},
        )
        for name, other in (("a", "b"), ("b", "a"))
    ]
    assert len(did(teardown.stop(found, None, None))) == 2
