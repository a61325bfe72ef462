"""What the daemon holds of a project, as far as planning needs it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from linkspan.compose import labels
from linkspan.compose.daemon import Daemon, Refused

RUNNING = ("running", "restarting", "paused")


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the project."""

    id: str
    name: str
    state: str
    labels: Mapping[str, str]
    image: str = ""
    image_id: str = ""
    networks: Mapping[str, str] = field(default_factory=dict)
    anonymous: Mapping[str, str] = field(default_factory=dict)
    row: Mapping[str, Any] = field(default_factory=dict)

    @property
    def service(self) -> str:
        return self.labels.get(labels.SERVICE, "")

    @property
    def number(self) -> int:
        return labels.number(self.labels)

    @property
    def hash(self) -> str:
        return self.labels.get(labels.CONFIG_HASH, "")

    @property
    def oneoff(self) -> bool:
        return self.labels.get(labels.ONEOFF, "False").lower() == "true"

    @property
    def running(self) -> bool:
        return self.state in RUNNING

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The services that its own depended on when it was created."""
        text = self.labels.get(labels.DEPENDS_ON, "")
        return tuple(each.partition(":")[0] for each in text.split(",") if each)


@dataclass(frozen=True, slots=True)
class Network:
    """Any network of the daemon."""

    id: str
    name: str
    labels: Mapping[str, str]
    subnets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """The project's containers, everybody else's, all networks and volumes, and the images asked for."""

    containers: tuple[Container, ...] = ()
    networks: tuple[Network, ...] = ()
    volumes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    others: tuple[Container, ...] = ()

    def of(self, service: str) -> list[Container]:
        """A service's own containers (no one-off ones), by number."""
        found = [each for each in self.containers if each.service == service and not each.oneoff]
        return sorted(found, key=lambda each: (each.number, each.name))

    def network(self, name: str) -> Network | None:
        """The network called so, or with this id."""
        return next((each for each in self.networks if name in (each.name, each.id)), None)


def observe(daemon: Daemon, project: str, images: Iterable[str] = ()) -> State:
    """Ask the daemon; Refused when it cannot be asked."""
    rows = daemon.get("/containers/json", all=True)
    found = [container(row) for row in rows]
    mine = tuple(each for each in found if each.labels.get(labels.PROJECT) == project)
    return State(
        containers=mine,
        networks=tuple(_network(each) for each in daemon.get("/networks")),
        volumes={each["Name"]: each.get("Labels") or {} for each in daemon.get("/volumes")["Volumes"] or ()},
        images={name: id for name in dict.fromkeys(images) if (id := _image(daemon, name))},
        others=tuple(each for each in found if each not in mine),
    )


def containers(daemon: Daemon, project: str) -> tuple[Container, ...]:
    """The project's containers alone."""
    wanted = json.dumps({"label": [labels.of_project(project)]})
    return tuple(container(row) for row in daemon.get("/containers/json", all=True, filters=wanted))


def container(row: Mapping[str, Any]) -> Container:
    """A row of the daemon's container list."""
    attached = (row.get("NetworkSettings") or {}).get("Networks") or {}
    return Container(
        id=row["Id"],
        name=(row.get("Names") or [""])[0].lstrip("/"),
        state=row["State"],
        labels=row.get("Labels") or {},
        image=row.get("Image", ""),
        image_id=row.get("ImageID", ""),
        networks={name: (each or {}).get("NetworkID", "") for name, each in attached.items()},
        anonymous={
            each["Destination"]: each["Name"]
            for each in row.get("Mounts") or ()
            if each.get("Type") == "volume" and len(each.get("Name", "")) == 64
        },
        row=row,
    )


def _network(row: Mapping[str, Any]) -> Network:
    config = (row.get("IPAM") or {}).get("Config") or ()
    subnets = tuple(each["Subnet"] for each in config if each.get("Subnet"))
    return Network(row["Id"], row["Name"], row.get("Labels") or {}, subnets)


def _image(daemon: Daemon, name: str) -> str:
    try:
        return str(daemon.get(f"/images/{name}/json")["Id"])
    except Refused as error:
        if error.status != 404:
            raise
        return ""
