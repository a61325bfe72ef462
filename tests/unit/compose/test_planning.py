"""What `up` does to networks, volumes and containers, and in which order."""

from __future__ import annotations

import pytest

from linkspan.compose import labels, planning
from linkspan.compose.errors import ComposeError
from linkspan.compose.planning import FORCE, NEVER, Wish
from linkspan.compose.scaling import scaled
from linkspan.compose.state import Container, Network

SHOP = """\
    services:
      web: {image: busybox, depends_on: {db: {condition: service_healthy}}, networks: [front, back]}
      db: {image: busybox, volumes: ["data:/d"], networks: [back]}
    networks: {front: , back: }
    volumes: {data: }
    """


def did(plan) -> list[str]:
    """The steps that change something, in words."""
    return [f"{step.done.lower()} {step.subject.partition(' ')[2]}" for step in plan.steps if step.calls]


def step(plan, key: str):
    return next(each for each in plan.steps if each.key == key)


def ends_before(plan, first: str, second: str) -> bool:
    """Whether `second` waits, through others, for `first`."""
    after = {each.key: each.after for each in plan.steps}
    waiting, seen = [second], set()
    while waiting:
        for key in after[waiting.pop()]:
            if key not in seen:
                seen.add(key)
                waiting.append(key)
    return first in seen


def test_from_nothing(desk, world):
    plan = planning.up(desk.load(SHOP), world.state(), Wish())
    assert sorted(did(plan)[:3]) == ["created shop_back", "created shop_data", "created shop_front"]
    assert did(plan)[3:] == [
        "created shop-db-1",
        "created shop-web-1",
        "started shop-db-1",
        "started shop-web-1",
    ]
    assert ends_before(plan, "network:back", "create:shop-db-1")
    assert ends_before(plan, "volume:data", "create:shop-db-1")
    assert ends_before(plan, "create:shop-web-1", "start:shop-db-1")
    wait = next(each for each in plan.steps if each.wait)
    assert (wait.wait.container, wait.wait.condition) == ("shop-db-1", "service_healthy")
    assert ends_before(plan, wait.key, "start:shop-web-1")


def test_what_is_independent_runs_at_once(desk, world):
    plan = planning.up(
        desk.load("services: {a: {image: busybox}, b: {image: busybox}}"), world.state(), Wish()
    )
    assert not ends_before(plan, "create:shop-a-1", "create:shop-b-1")
    assert not ends_before(plan, "start:shop-a-1", "start:shop-b-1")


def test_again_changes_nothing(desk, world):
    project = desk.load(SHOP)
    plan = planning.up(project, world.up(project).state(), Wish())
    assert did(plan) == []
    assert {each.done for each in plan.steps if not each.wait} == {"Running"}


def test_what_is_stopped_is_started(desk, world):
    project = desk.load(SHOP)
    plan = planning.up(project, world.up(project, state="exited").state(), Wish())
    assert did(plan) == ["started shop-db-1", "started shop-web-1"]


def test_a_changed_service_is_replaced_and_only_that(desk, world):
    world.up(desk.load(SHOP))
    changed = desk.load(SHOP.replace("web: {image: busybox,", "web: {image: busybox, tty: true,"))
    plan = planning.up(changed, world.state(), Wish())
    assert did(plan) == ["recreated shop-web-1", "started shop-web-1"]
    create, stop, remove, rename = step(plan, "create:shop-web-1").calls
    old = world.containers[0].id
    assert create.query == {"name": f"{old[:12]}_shop-web-1"}
    assert create.body["Labels"][labels.REPLACE] == "shop-web-1"
    assert (stop.path, remove.path) == (f"/containers/{old}/stop", f"/containers/{old}")
    assert (rename.path, rename.query) == (
        f"/containers/{old[:12]}_shop-web-1/rename",
        {"name": "shop-web-1"},
    )


def test_anonymous_volumes_are_inherited(desk, world):
    project = desk.load("services: {a: {image: busybox, volumes: [/data]}}")
    world.up(project)
    world.containers.clear()
    world.add(project, project.services["a"], 1, anonymous={"/data": "e" * 64})
    plan = planning.up(project, world.state(), Wish(recreate=FORCE))
    assert step(plan, "create:shop-a-1").calls[0].body["HostConfig"]["Mounts"][0]["Source"] == "e" * 64


def test_a_new_image_replaces(desk, world):
    project = desk.load(SHOP)
    plan = planning.up(project, world.up(project).state(busybox="sha256:new"), Wish())
    assert "recreated shop-web-1" in did(plan)


def test_force_and_never(desk, world):
    project = desk.load(SHOP)
    world.up(project)
    assert "recreated shop-db-1" in did(planning.up(project, world.state(), Wish(recreate=FORCE)))
    changed = desk.load(SHOP.replace("busybox,", "busybox, tty: true,"))
    assert did(planning.up(changed, world.state(), Wish(recreate=NEVER))) == []


def test_force_of_one_service_leaves_its_dependencies(desk, world):
    project = desk.load(SHOP)
    plan = planning.up(project, world.up(project).state(), Wish(services=("web",), recreate=FORCE))
    assert did(plan) == ["recreated shop-web-1", "started shop-web-1"]


def test_a_changed_network_is_made_anew_with_its_containers(desk, world):
    world.up(desk.load(SHOP))
    changed = desk.load(SHOP.replace("back: }", "back: {internal: true}}"))
    plan = planning.up(changed, world.state(), Wish())
    words = did(plan)
    assert words.index("removed shop_back") > max(
        words.index("stopped shop-db-1"), words.index("stopped shop-web-1")
    )
    assert words.index("created shop_back") < words.index("recreated shop-db-1")
    assert ends_before(plan, "stop:shop-db-1", "unnetwork:back")
    assert ends_before(plan, "unnetwork:back", "network:back")
    assert ends_before(plan, "network:back", "create:shop-web-1")
    assert "created shop_front" not in words
    create = step(plan, "network:back").calls[0].body
    assert create["Internal"] is True
    assert create["Labels"][labels.NETWORK] == "back"


def test_scaling_up_and_down(desk, world):
    project = desk.load("services: {a: {image: busybox, scale: 2}}")
    world.up(project)
    more = planning.up(scaled(project, {"a": 4}), world.state(), Wish())
    assert did(more) == ["created shop-a-3", "created shop-a-4", "started shop-a-3", "started shop-a-4"]
    less = planning.up(scaled(project, {"a": 1}), world.state(), Wish())
    assert did(less) == ["stopped shop-a-2", "removed shop-a-2"]


def test_a_gap_is_filled(desk, world):
    project = desk.load("services: {a: {image: busybox, scale: 2}}")
    world.up(project)
    del world.containers[0]
    assert did(planning.up(project, world.state(), Wish())) == ["created shop-a-1", "started shop-a-1"]


def test_what_an_interrupted_replacement_has_left_is_removed(desk, world):
    project = desk.load("services: {a: {image: busybox}}")
    world.up(project)
    left = world.add(project, project.services["a"], 1, state="created")
    world.containers.remove(left)
    world.containers.insert(
        0, Container(left.id, "abc_shop-a-1", "created", left.labels, networks=left.networks)
    )
    assert did(planning.up(project, world.state(), Wish())) == ["removed abc_shop-a-1"]


def test_orphans_are_told_or_removed(desk, world):
    world.up(desk.load("services: {a: {image: busybox}, gone: {image: busybox}}"))
    project = desk.load("services: {a: {image: busybox}}")
    kept = planning.up(project, world.state(), Wish())
    assert did(kept) == []
    assert "orphan containers (shop-gone-1)" in kept.notices[0]
    removed = planning.up(project, world.state(), Wish(remove_orphans=True))
    assert did(removed) == ["stopped shop-gone-1", "removed shop-gone-1"]
    assert removed.notices == ()


def test_services_that_a_profile_switches_off_are_no_orphans(desk, world):
    text = "services: {a: {image: busybox}, b: {image: busybox, profiles: [p]}}"
    world.up(desk.load(text, profiles=["p"]))
    assert planning.up(desk.load(text), world.state(), Wish()).notices == ()


def test_the_network_of_another_service(desk, world):
    text = "services: {a: {image: busybox}, b: {image: busybox, network_mode: 'service:a'}}"
    project = desk.load(text)
    plan = planning.up(project, world.state(), Wish())
    assert ends_before(plan, "create:shop-a-1", "create:shop-b-1")
    assert step(plan, "create:shop-b-1").calls[0].body["HostConfig"]["NetworkMode"] == "container:shop-a-1"
    world.up(project)
    assert did(planning.up(project, world.state(), Wish())) == []
    changed = desk.load(text.replace("a: {image: busybox}", "a: {image: busybox, tty: true}"))
    assert "recreated shop-b-1" in did(planning.up(changed, world.state(), Wish()))


def test_restart_of_what_depends(desk, world):
    text = """\
        services:
          a: {image: busybox, depends_on: {b: {condition: service_started, restart: true}}}
          b: {image: busybox}
        """
    world.up(desk.load(text))
    changed = desk.load(text.replace("b: {image: busybox}", "b: {image: busybox, tty: true}"))
    assert did(planning.up(changed, world.state(), Wish())) == [
        "recreated shop-b-1",
        "started shop-b-1",
        "restarted shop-a-1",
    ]


def test_services_by_name_and_without_dependencies(desk, world):
    project = desk.load(SHOP)
    assert did(planning.up(project, world.state(), Wish(services=("db",))))[-1] == "started shop-db-1"
    alone = planning.up(project, world.state(), Wish(services=("web",), dependencies=False))
    assert "created shop-db-1" not in did(alone)
    with pytest.raises(ComposeError, match='no such service: wbe \\(did you mean "web"'):
        planning.up(project, world.state(), Wish(services=("wbe",)))


def test_create_only_and_surroundings_only(desk, world):
    project = desk.load(SHOP)
    assert not [
        word for word in did(planning.up(project, world.state(), Wish(start=False))) if "started" in word
    ]
    around = planning.up(project, world.state(), Wish(services=("web",), surroundings_of="web"))
    assert "created shop_front" in did(around)
    assert "created shop-web-1" not in did(around)
    assert did(around)[-1] == "started shop-db-1"


def test_wait_for_all(desk, world):
    plan = planning.up(desk.load("services: {a: {image: busybox}}"), world.state(), Wish(wait=True))
    assert plan.steps[-1].wait.condition == "running_or_healthy"


def test_written_configs_are_uploaded_before_the_start(desk, world):
    project = desk.load("services: {a: {image: busybox, configs: [c]}}\nconfigs: {c: {content: hi}}")
    _, upload = step(planning.up(project, world.state(), Wish()), "create:shop-a-1").calls
    assert (upload.method, upload.path, upload.query) == (
        "PUT",
        "/containers/shop-a-1/archive",
        {"path": "/"},
    )
    assert b"hi" in upload.archive


def test_the_foreground_splits_making_from_starting(desk, world):
    making, starting = planning.up(desk.load(SHOP), world.state(), Wish()).split("start:", "wait:")
    assert all(each.key.startswith(("network:", "volume:", "create:")) for each in making.steps)
    keys = {each.key for each in starting.steps}
    assert all(each.after <= keys for each in starting.steps)


# What is in the way ---------------------------------------------------------------------------------------


def refused(project, world) -> str:
    with pytest.raises(ComposeError) as caught:
        planning.up(project, world.state(), Wish())
    return str(caught.value)


def test_an_external_network_or_volume_is_missing(desk, world):
    project = desk.load(
        "services: {a: {image: busybox, networks: [n]}}\nnetworks: {n: {external: true, name: far}}"
    )
    assert "compose.yaml:2: networks.n: network far declared as external" in refused(project, world)
    world.networks.append(Network("id-far", "far", {}))
    assert "started shop-a-1" in did(planning.up(project, world.state(), Wish()))
    project = desk.load(
        "services: {a: {image: busybox, volumes: ['vol:/v']}}\nvolumes: {vol: {external: true}}"
    )
    assert 'compose.yaml:2: volumes.vol: external volume "vol" not found' in refused(project, world)


def test_a_subnet_is_taken(desk, world):
    project = desk.load(
        "services: {a: {image: busybox}}\nnetworks: {default: {ipam: {config: [{subnet: 172.17.3.0/24}]}}}"
    )
    assert "172.17.3.0/24 overlaps 172.17.0.0/16 of the existing network bridge" in refused(project, world)


def test_a_port_is_published_by_somebody_else(desk, world):
    project = desk.load("services: {a: {image: busybox, ports: ['8080:80']}}")
    row = {"Ports": [{"IP": "0.0.0.0", "PrivatePort": 1, "PublicPort": 8080, "Type": "tcp"}]}
    world.others.append(Container("x" * 64, "nginx", "running", {}, row=row))
    assert "8080/tcp is already published by the container nginx" in refused(project, world)


def test_a_name_is_taken(desk, world):
    world.others.append(Container("x" * 64, "shop-a-1", "exited", {labels.PROJECT: "other"}))
    assert "taken by a container of project other" in refused(
        desk.load("services: {a: {image: busybox}}"), world
    )


def test_a_changed_network_has_strangers(desk, world):
    world.up(desk.load(SHOP))
    stranger = Container("x" * 64, "guest", "running", {}, networks={"shop_back": "id-shop_back"})
    world.others.append(stranger)
    changed = desk.load(SHOP.replace("back: }", "back: {internal: true}}"))
    assert "guest of outside this project is attached" in refused(changed, world)


def test_a_network_of_that_name_belongs_to_somebody_else(desk, world):
    project = desk.load("services: {a: {image: busybox}}")
    world.networks.append(Network("id-shop_default", "shop_default", {}))
    plan = planning.up(project, world.state(), Wish())
    assert "was not created by compose" in plan.notices[0]
    assert "created shop_default" not in did(plan)
    world.networks[-1] = Network("x", "shop_default", {labels.PROJECT: "shop", labels.NETWORK: "other"})
    assert 'incorrect label com.docker.compose.network set to "other"' in refused(project, world)


def test_volumes_of_others_and_changed_ones_are_told(desk, world):
    text = "services: {a: {image: busybox, volumes: ['data:/d']}}\nvolumes: {data: }"
    world.up(desk.load(text))
    changed = desk.load(text.replace("data: }", "data: {labels: [a=b]}}"))
    assert "doesn't match configuration" in planning.up(changed, world.state(), Wish()).notices[0]
    world.volumes["shop_data"] = {}
    assert "was not created by Docker Compose" in planning.up(changed, world.state(), Wish()).notices[0]
