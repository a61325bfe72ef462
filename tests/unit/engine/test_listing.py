"""Rows, status texts and filters of `docker ps`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from linkspan.engine import listing
from linkspan.engine.configuration import complete_config, complete_host_config
from linkspan.engine.listing import Row
from linkspan.model.container import Container, Health, MountPoint, State
from linkspan.model.errors import InvalidParameter
from linkspan.model.timestamps import SECOND, rfc3339

NOW = 1_700_000_000 * SECOND


def ago(seconds: float) -> str:
    return rfc3339(NOW - int(seconds * SECOND))


def container(**fields: Any) -> Container:
    config = complete_config({"Image": "busybox", "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}})
    base = Container(
        id="ab" * 32,
        name="web",
        created=ago(60),
        image_id="sha256:1",
        image="busybox",
        path="sh",
        args=("-c", "echo hi"),
        config=config,
        host_config=complete_host_config({}),
    )
    return replace(base, **fields)


def row(one: Container | None = None, **fields: Any) -> Row:
    return Row(one or container(), "busybox", fields.pop("networks", {}), fields.pop("ports", {}), **fields)


RUNNING = State(running=True, started_at=ago(3))


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State(), "Created"),
        (RUNNING, "Up 3 seconds"),
        (replace(RUNNING, paused=True), "Up 3 seconds (Paused)"),
        (replace(RUNNING, health=Health("starting")), "Up 3 seconds (health: starting)"),
        (replace(RUNNING, health=Health("healthy")), "Up 3 seconds (healthy)"),
        (
            State(running=True, restarting=True, exit_code=3, started_at=ago(9), finished_at=ago(1)),
            "Restarting (3) 1 second ago",
        ),
        (State(exit_code=0, started_at=ago(500), finished_at=ago(120)), "Exited (0) 2 minutes ago"),
        (State(exit_code=137, started_at=ago(9000), finished_at=ago(3600)), "Exited (137) About an hour ago"),
        (State(started_at=ago(5), dead=True), "Dead"),
        (State(started_at=ago(5), removing=True), "Removal In Progress"),
        (State(started_at=ago(5)), ""),
    ],
)
def test_status_text(state: State, text: str) -> None:
    assert listing.status_text(state, NOW) == text


def test_command_text_quotes_words_with_blanks() -> None:
    assert listing.command_text(container()) == "sh -c 'echo hi'"
    assert listing.command_text(container(args=())) == "sh"


def test_ports_give_one_row_per_binding_and_one_for_a_port_that_is_only_exposed() -> None:
    ports = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "53/udp": None}
    assert listing.port_rows(ports) == [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"PrivatePort": 53, "Type": "udp"},
    ]


def test_a_row_has_every_field_that_clients_read() -> None:
    document = listing.row_document(row(container(state=RUNNING)), NOW)
    assert document["Names"] == ["/web"]
    assert document["State"] == "running"
    assert document["HostConfig"] == {"NetworkMode": "bridge"}
    assert document["Created"] == NOW // SECOND - 60
    assert set(document) == {
        "Id",
        "Names",
        "Image",
        "ImageID",
        "Command",
        "Created",
        "Ports",
        "Labels",
        "State",
        "Status",
        "HostConfig",
        "NetworkSettings",
        "Mounts",
        "Health",
    }


EXITED = container(state=State(exit_code=3, started_at=ago(9), finished_at=ago(1)))
MOUNTED = container(mounts=(MountPoint("volume", "/v/data", "/data", name="vol"),))
PORTS = {"80/tcp": [{"HostIp": "::", "HostPort": "8080"}]}


@pytest.mark.parametrize(
    ("one", "filters", "passes"),
    [
        (row(), {}, True),
        (row(), {"id": ["abab"]}, True),
        (row(), {"id": ["cd"]}, False),
        (row(), {"name": ["we"]}, True),
        (row(), {"name": ["^/web$"]}, True),
        (row(), {"name": ["db", "web"]}, True),
        (row(), {"name": ["("]}, False),
        (row(), {"label": ["a"]}, True),
        (row(), {"label": ["a=b", "c"]}, False),
        (row(), {"status": ["created"]}, True),
        (row(), {"status": ["running"]}, False),
        (row(EXITED), {"exited": ["3"]}, True),
        (row(EXITED), {"exited": ["0"]}, False),
        (row(), {"exited": ["0"]}, False),
        (row(), {"health": ["none"]}, True),
        (row(container(state=replace(RUNNING, health=Health()))), {"health": ["starting"]}, True),
        (row(ancestors=frozenset({"busybox"})), {"ancestor": ["busybox"]}, True),
        (row(), {"ancestor": ["busybox"]}, False),
        (row(networks={"n1": {"NetworkID": "feed"}}), {"network": ["n1"]}, True),
        (row(networks={"n1": {"NetworkID": "feed"}}), {"network": ["fee"]}, True),
        (row(), {"network": ["n1"]}, False),
        (row(MOUNTED), {"volume": ["vol"]}, True),
        (row(MOUNTED), {"volume": ["/data"]}, True),
        (row(), {"volume": ["vol"]}, False),
        (row(ports=PORTS), {"publish": ["8080"]}, True),
        (row(ports=PORTS), {"publish": ["8000-8090/tcp"]}, True),
        (row(ports=PORTS), {"publish": ["8080/udp"]}, False),
        (row(), {"expose": ["80"]}, True),
        (row(), {"expose": ["81-90"]}, False),
        (row(), {"is-task": ["false"]}, True),
        (row(), {"is-task": ["true"]}, False),
        (row(), {"isolation": ["default"]}, True),
    ],
)
def test_filters(one: Row, filters: dict[str, list[str]], passes: bool) -> None:
    listing.check_filters(filters)
    assert listing.passes(one, filters) is passes


@pytest.mark.parametrize(
    "filters",
    [{"status": ["up"]}, {"exited": ["x"]}, {"health": ["ill"]}, {"publish": ["x"]}, {"expose": ["-"]}],
)
def test_values_that_cannot_be_are_refused(filters: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidParameter, match="invalid filter"):
        listing.check_filters(filters)


def test_window() -> None:
    rows = [row(container(id=id)) for id in ("5", "4", "3", "2", "1")]

    def ids(before: str = "", since: str = "", limit: int = 0) -> list[str]:
        return [r.container.id for r in listing.windowed(rows, before, since, limit)]

    assert ids() == ["5", "4", "3", "2", "1"]
    assert ids(before="3") == ["2", "1"]
    assert ids(since="3") == ["5", "4"]
    assert ids(before="5", since="2", limit=1) == ["4"]
