"""A fixed address belongs to its container from create to rm, also while it is down."""

from __future__ import annotations

import pytest


@pytest.fixture
def front(stage):
    """A small network: 10.85.0.0/29 has five addresses for containers."""
    stage.docker("network", "create", "--subnet", "10.85.0.0/29", "front")
    return stage


def address(stage, name: str) -> str:
    return stage.address(name, "front")


def test_nobody_is_given_the_address_of_a_container_that_is_down(front):
    stage = front
    stage.docker("create", "--name", "fixed", "--network", "front", "--ip", "10.85.0.2", "busybox", "true")
    stage.sleeper("next", "--network", "front")
    assert address(stage, "next") == "10.85.0.3"
    stage.docker("create", "--name", "rival", "--network", "front", "--ip", "10.85.0.2", "busybox", "true")
    refused = stage.fails("start", "rival")
    assert "Address already in use (by container fixed)" in refused.both
    stage.docker("rename", "fixed", "owner")
    assert "(by container owner)" in stage.fails("start", "rival").both
    stage.docker("rm", "owner")
    stage.docker("start", "rival")
    stage.docker("rm", "-f", "rival")
    assert stage.sleeper("last", "--network", "front")
    assert address(stage, "last") == "10.85.0.2"


def test_the_address_survives_stop_and_restart_of_everything(front):
    stage = front
    stage.sleeper("fixed", "--network", "front", "--ip", "10.85.0.2")
    stage.docker("stop", "-t", "0", "fixed")
    stage.lab.stop_daemon()
    stage.lab.daemon()
    stage.sleeper("next", "--network", "front")
    assert address(stage, "next") == "10.85.0.3"
    stage.docker("start", "fixed")
    assert address(stage, "fixed") == "10.85.0.2"


def test_a_subnet_that_is_all_reserved_is_full(front):
    stage = front
    for number in range(2, 7):
        stage.docker("create", "--network", "front", "--ip", f"10.85.0.{number}", "busybox", "true")
    assert (
        "no available addresses on this pool"
        in stage.fails("run", "--network", "front", "busybox", "true").both
    )


def test_disconnecting_gives_the_address_up(front):
    stage = front
    stage.docker("create", "--name", "down", "--network", "front", "--ip", "10.85.0.2", "busybox", "true")
    stage.docker("network", "disconnect", "front", "down")
    stage.sleeper("up")
    stage.docker("network", "connect", "--ip", "10.85.0.2", "front", "up")
    assert address(stage, "up") == "10.85.0.2"
    stage.docker("network", "disconnect", "front", "up")
    stage.sleeper("third", "--network", "front")
    assert address(stage, "third") == "10.85.0.2"


def test_a_network_in_use_names_who_uses_it(front):
    stage = front
    stage.sleeper("web", "--network", "front")
    refused = stage.fails("network", "rm", "front").both
    assert 'network front has active endpoints (name:"web" id:"' in refused


def test_a_running_container_with_the_address_is_named(front):
    stage = front
    stage.sleeper("dynamic", "--network", "front")
    refused = stage.fails("run", "--network", "front", "--ip", "10.85.0.2", "busybox", "true")
    assert "Address already in use (by container dynamic)" in refused.both
