"""A container's words for its state, and its document."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from linkspan.model.container import (
    Container,
    Health,
    MountPoint,
    Probe,
    State,
    from_document,
    to_document,
)
from linkspan.model.network import EndpointConfig

MOMENT = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State(), "created"),
        (State(running=True, started_at=MOMENT), "running"),
        (State(running=True, paused=True), "paused"),
        (State(running=True, restarting=True), "restarting"),
        (State(removing=True), "removing"),
        (State(dead=True), "dead"),
        (State(started_at=MOMENT), "exited"),
    ],
)
def test_status_in_dockers_words(state, word):
    assert state.status == word


CONTAINER = Container(
    id="0123456789abcdef" * 4,
    name="web",
    created=MOMENT,
    image_id="sha256:0",
    image="busybox",
    path="sleep",
    args=("1000",),
    config={"Tty": True, "Labels": {"a": "b"}},
    host_config={"NetworkMode": "front", "AutoRemove": True},
    networks={"front": EndpointConfig(ipv4=IPv4Address("10.5.0.7"), aliases=("x",))},
    mounts=(MountPoint("volume", "/v", "/data", name="data", options=("ro",)),),
    state=State(
        running=True, pid=7, started_at=MOMENT, health=Health("healthy", 0, (Probe("a", "b", 0, "ok"),))
    ),
    restart_count=2,
    stopped_by_user=True,
)


def test_what_is_read_off_the_documents():
    assert CONTAINER.short_id == "0123456789ab"
    assert (CONTAINER.network_mode, CONTAINER.tty, CONTAINER.auto_remove) == ("front", True, True)
    assert CONTAINER.labels == {"a": "b"}


def test_defaults_of_empty_documents():
    plain = replace(CONTAINER, config={}, host_config={})
    assert (plain.network_mode, plain.tty, plain.auto_remove, plain.labels) == ("bridge", False, False, {})


def test_the_store_gives_back_what_it_was_given():
    assert from_document(to_document(CONTAINER)) == CONTAINER
