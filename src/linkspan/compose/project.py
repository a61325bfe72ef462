"""A compose project as everything behind the files sees it: immutable, names given, variables resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from linkspan.compose.source import Map

STARTED = "service_started"
HEALTHY = "service_healthy"
COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Dependency:
    """What a service waits for before it starts; `restart`: it is restarted when that one is recreated."""

    service: str
    condition: str = STARTED
    required: bool = True
    restart: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """One service; `definition` is its canonical document."""

    name: str
    definition: Map

    def get(self, key: str, default: Any = None) -> Any:
        """A field of the definition."""
        return self.definition.get(key, default)

    @property
    def scale(self) -> int:
        """How many containers it has."""
        replicas = (self.get("deploy") or {}).get("replicas")
        if self.get("scale") is not None:
            return int(self.get("scale"))
        return 1 if replicas is None else int(replicas)

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        """What it depends on, in the order of the file."""
        return tuple(
            Dependency(name, each["condition"], each.get("required", True), each.get("restart", False))
            for name, each in (self.get("depends_on") or {}).items()
        )

    @property
    def network_service(self) -> str:
        """The service whose network it shares (network_mode: service:X), or ""."""
        kind, _, name = str(self.get("network_mode") or "").partition(":")
        return name if kind == "service" else ""

    @property
    def networks(self) -> Mapping[str, Map | None]:
        """Its networks (keys of the project's) with the endpoint's settings, the most important one first."""
        given: Mapping[str, Map | None] = self.get("networks") or {}
        order = sorted(given, key=lambda key: (-_priority(given[key]), key))
        return {key: given[key] for key in order}

    def image(self, project: str) -> str:
        """The image it runs: its own, or the one that its build would be called."""
        return str(self.get("image") or f"{project}-{self.name}")


def _priority(endpoint: Map | None) -> int:
    return int(endpoint.get("priority", 0)) if endpoint else 0


@dataclass(frozen=True, slots=True)
class Project:
    """A whole project; networks, volumes, secrets, configs are canonical documents with final names."""

    name: str
    directory: str
    files: tuple[str, ...]
    services: Mapping[str, Service]
    disabled: Mapping[str, Service] = field(default_factory=dict)
    networks: Mapping[str, Map] = field(default_factory=dict)
    volumes: Mapping[str, Map] = field(default_factory=dict)
    secrets: Mapping[str, Map] = field(default_factory=dict)
    configs: Mapping[str, Map] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)
    tree: Map = field(default_factory=Map)

    def container_name(self, service: Service, number: int) -> str:
        """The name of a service's container: its own, or project-service-number."""
        return str(service.get("container_name") or f"{self.name}-{service.name}-{number}")

    def network_name(self, key: str) -> str:
        """The daemon's name of a network of this project."""
        return str(self.networks[key]["name"])
