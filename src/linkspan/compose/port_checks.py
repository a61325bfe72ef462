"""Host ports that two containers of a project want (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from linkspan.compose.errors import Problem
from linkspan.compose.ports import span
from linkspan.compose.project import Project, Service
from linkspan.compose.source import find
from linkspan.compose.state import Container

ANY = ("", "0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One fixed host port, who wants it, and at which position of its list."""

    service: str
    position: int
    host: str
    port: int
    protocol: str

    def clashes(self, other: Wanted) -> bool:
        """Whether both cannot be bound at once."""
        same = self.port == other.port and self.protocol == other.protocol
        return same and (self.host == other.host or self.host in ANY or other.host in ANY)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host + ':' if host else ''}{self.port}/{self.protocol}"


def wanted(service: Service) -> Iterator[Wanted]:
    """The fixed host ports of a service; a range for one container port is not fixed."""
    if service.get("network_mode") in ("host", "none"):
        return
    for position, entry in enumerate(service.get("ports") or ()):
        published = _fixed(entry)
        if published:
            host = str(entry.get("host_ip", ""))
            yield Wanted(service.name, position, host, published, str(entry.get("protocol", "tcp")))


def _fixed(entry: Mapping[str, Any]) -> int:
    ports = span(str(entry["published"])) if entry.get("published") else range(0)
    return ports[0] if len(ports) == 1 else 0


def problems(project: Project) -> Iterator[Problem]:
    """Two services that want the same port, and one that wants it for each of several containers."""
    seen: dict[tuple[int, str], list[Wanted]] = {}
    for service in project.services.values():
        for each in wanted(service) if service.scale else ():
            others = seen.setdefault((each.port, each.protocol), [])
            clash = next((other for other in others if each.clashes(other)), None)
            others.append(each)
            if clash is not None:
                yield _told(service, each, _clash(service, each, clash))
            elif service.scale > 1:
                what = (
                    f"{service.scale} containers cannot all publish {each}: "
                    "publish a range, no fixed port, or put one proxy in front"
                )
                yield _told(service, each, what)


def taken(service: Service, others: Iterable[Container]) -> Iterator[Problem]:
    """The ports of a service that running containers of other projects, or of none, publish."""
    held = [
        (Wanted(each.name, 0, port.get("IP", ""), port["PublicPort"], port["Type"]), each)
        for each in others
        for port in each.row.get("Ports") or ()
        if port.get("PublicPort")
    ]
    for wish in wanted(service):
        holder = next((each for port, each in held if wish.clashes(port)), None)
        if holder is not None:
            yield _told(
                service,
                wish,
                f"{wish} is already published by the container {holder.name}: "
                "stop it, or give one of them another host port",
            )


def _clash(service: Service, each: Wanted, other: Wanted) -> str:
    if other.service == service.name:
        return f"{each} is published twice"
    return f"{each} is already published by service {other.service}: give one of them another host port"


def _told(service: Service, each: Wanted, what: str) -> Problem:
    place = find(service.definition, ("ports", each.position))
    return Problem(what, ("services", service.name, "ports"), place)
