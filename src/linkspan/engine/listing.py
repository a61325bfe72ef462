"""Containers as `docker ps` shows them: rows, status texts and filters (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linkspan.engine.inspect import mount_document
from linkspan.model.container import Container, State
from linkspan.model.errors import InvalidParameter
from linkspan.model.filters import labels_match, truth
from linkspan.model.timestamps import NEVER, SECOND, human_duration, to_nanoseconds

Document = dict[str, Any]
Filters = Mapping[str, Sequence[str]]

FILTERS = frozenset(
    {
        "ancestor",
        "annotation",
        "before",
        "exited",
        "expose",
        "health",
        "id",
        "is-task",
        "isolation",
        "label",
        "name",
        "network",
        "publish",
        "since",
        "status",
        "volume",
    }
)
STATUSES = ("created", "restarting", "running", "removing", "paused", "exited", "dead")


@dataclass(frozen=True, slots=True)
class Row:
    """A container with what a listing needs of elsewhere.

    `networks` and `ports` are those of NetworkSettings; `image` is the image's present name.
    """

    container: Container
    image: str
    networks: Mapping[str, Any]
    ports: Mapping[str, Any]
    ancestors: frozenset[str] = frozenset()


def status_text(state: State, now: int) -> str:
    """Return the STATUS column, `now` in ns. Source: moby container/state.go String()."""
    if state.running:
        return _running_text(state, now)
    if state.removing:
        return "Removal In Progress"
    if state.dead:
        return "Dead"
    if state.started_at == NEVER:
        return "Created"
    if state.finished_at == NEVER:
        return ""
    return f"Exited ({state.exit_code}) {_since(state.finished_at, now)} ago"


def _running_text(state: State, now: int) -> str:
    if state.restarting:
        return f"Restarting ({state.exit_code}) {_since(state.finished_at, now)} ago"
    up = f"Up {_since(state.started_at, now)}"
    if state.paused:
        return f"{up} (Paused)"
    if state.health is not None:
        word = "health: starting" if state.health.status == "starting" else state.health.status
        return f"{up} ({word})"
    return up


def _since(moment: str, now: int) -> str:
    return human_duration(now - to_nanoseconds(moment))


def command_text(container: Container) -> str:
    """Return the COMMAND column: words with a blank are quoted. Source: moby daemon/list.go."""
    if not container.args:
        return container.path
    words = [f"'{word}'" if " " in word else word for word in container.args]
    return f"{container.path} {' '.join(words)}"


def port_rows(ports: Mapping[str, Any]) -> list[Document]:
    """Return the Ports of a listing, made of NetworkSettings.Ports."""
    found: list[Document] = []
    for key, bindings in ports.items():
        number, _, protocol = key.partition("/")
        base: Document = {"PrivatePort": int(number), "Type": protocol}
        if not bindings:
            found.append(base)
        for binding in bindings or ():
            public = {"PublicPort": int(binding["HostPort"])} if binding["HostPort"] else {}
            found.append({"IP": binding["HostIp"], **base, **public})
    return found


def row_document(row: Row, now: int) -> Document:
    """Return one element of GET /containers/json."""
    container = row.container
    host: Document = {"NetworkMode": container.network_mode}
    if annotations := container.host_config.get("Annotations"):
        host["Annotations"] = annotations
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": row.image,
        "ImageID": container.image_id,
        "Command": command_text(container),
        "Created": to_nanoseconds(container.created) // SECOND,
        "Ports": port_rows(row.ports),
        "Labels": container.labels,
        "State": container.state.status,
        "Status": status_text(container.state, now),
        "HostConfig": host,
        "NetworkSettings": {"Networks": dict(row.networks)},
        "Mounts": [mount_document(point) for point in container.mounts],
        "Health": _health(container.state),
    }


def _health(state: State) -> Document:
    if state.health is None:
        return {"Status": "none", "FailingStreak": 0}
    return {"Status": state.health.status, "FailingStreak": state.health.failing_streak}


def check_filters(filters: Filters) -> None:
    """Refuse unknown filters and values that cannot be, with InvalidParameter."""
    for status in filters.get("status", ()):
        if status not in STATUSES:
            raise InvalidParameter(f"invalid filter 'status={status}'")
    for code in filters.get("exited", ()):
        if not re.fullmatch(r"-?\d+", code):
            raise InvalidParameter(f"invalid filter 'exited={code}'")
    for health in filters.get("health", ()):
        if health not in ("none", "starting", "healthy", "unhealthy"):
            raise InvalidParameter(f"invalid filter 'health={health}'")
    truth(filters, "is-task")
    for name in ("publish", "expose"):
        for port in filters.get(name, ()):
            _port_range(port, name)


def passes(row: Row, filters: Filters) -> bool:
    """Return whether a row passes all filters; values of one filter are alternatives, labels are not."""
    tests: dict[str, Callable[[Row, str], bool]] = {
        "id": lambda r, v: r.container.id.startswith(v),
        "name": _named,
        "status": lambda r, v: r.container.state.status == v,
        "exited": lambda r, v: (
            not r.container.state.running
            and r.container.state.started_at != NEVER
            and r.container.state.exit_code == int(v)
        ),
        "health": lambda r, v: (r.container.state.health.status if r.container.state.health else "none") == v,
        "ancestor": lambda r, v: v in r.ancestors,
        "network": _on_network,
        "volume": lambda r, v: any(v in (p.name, p.source, p.destination) for p in r.container.mounts),
        "publish": lambda r, v: _published(r, v),
        "expose": lambda r, v: _exposed(r, v),
        "is-task": lambda r, v: v in ("false", "0"),
        "isolation": lambda r, v: v in ("", "default"),
    }
    if not labels_match(row.container.labels, filters.get("label", ())):
        return False
    annotations = row.container.host_config.get("Annotations") or {}
    if not labels_match(annotations, filters.get("annotation", ())):
        return False
    return all(
        any(test(row, value) for value in values)
        for name, test in tests.items()
        if (values := filters.get(name))
    )


def _named(row: Row, pattern: str) -> bool:
    name = row.container.name
    try:
        return bool(re.search(pattern, name) or re.search(pattern, f"/{name}"))
    except re.error:
        return pattern in name


def _on_network(row: Row, value: str) -> bool:
    return any(
        value == name or (document.get("NetworkID") or "").startswith(value)
        for name, document in row.networks.items()
    )


def _port_range(text: str, name: str) -> tuple[range, str]:
    found = re.fullmatch(r"(\d+)(?:-(\d+))?(?:/(\w+))?", text)
    if not found or max(int(found[1]), int(found[2] or 0)) > 0xFFFF:
        raise InvalidParameter(f"invalid filter '{name}={text}'")
    return range(int(found[1]), int(found[2] or found[1]) + 1), found[3] or "tcp"


def _published(row: Row, value: str) -> bool:
    numbers, protocol = _port_range(value, "publish")
    return any(
        key.endswith("/" + protocol) and int(binding["HostPort"]) in numbers
        for key, bindings in row.ports.items()
        for binding in bindings or ()
    )


def _exposed(row: Row, value: str) -> bool:
    numbers, protocol = _port_range(value, "expose")
    keys = {*(row.container.config.get("ExposedPorts") or {}), *row.ports}
    return any(
        (key.partition("/")[2] or "tcp") == protocol and int(key.partition("/")[0].split("-")[0]) in numbers
        for key in keys
    )


def windowed(rows: Sequence[Row], before: str, since: str, limit: int) -> list[Row]:
    """Return the rows (newest first) between two container ids ("" for none), `limit` at most (<= 0: all)."""
    found = list(rows)
    ids = [row.container.id for row in found]
    if before in ids:
        found = found[ids.index(before) + 1 :]
        ids = [row.container.id for row in found]
    if since in ids:
        found = found[: ids.index(since)]
    return found[:limit] if limit > 0 else found
