"""Projects written to a directory and loaded, and states of a daemon that nobody runs."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from linkspan.compose import labels
from linkspan.compose.errors import ComposeError
from linkspan.compose.loading import load
from linkspan.compose.location import Request
from linkspan.compose.rendering import network_hash, service_hash
from linkspan.compose.state import Container, Network, State

IMAGE = "sha256:" + "1" * 64


class Desk:
    """A directory with compose files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, text: str, name: str = "compose.yaml") -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def load(self, text: str = "", *names: str, wanted=(), check=True, **given: Any):
        """The project of this text (or of the files written before)."""
        if text:
            self.write(text)
        environment = {"HOME": "/home/me", **given.pop("environment", {})}
        files = [str(self.directory / name) for name in names]
        request = Request(
            files=files,
            environment=environment,
            **{"name": "shop", "working_directory": str(self.directory), **given},
        )
        return load(request, wanted=tuple(wanted), check=check)

    def refused(self, text: str = "", *names: str, **given: Any) -> list[str]:
        """The problems of a project that cannot be, places relative to the directory."""
        with pytest.raises(ComposeError) as caught:
            self.load(text, *names, **given)
        return str(caught.value).replace(f"{self.directory}/", "").splitlines()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


class World:
    """Builds the state that a daemon would tell, from what a project looks like when it is up."""

    def __init__(self) -> None:
        self.networks = [Network("b" * 64, "bridge", {}, ("172.17.0.0/16",))]
        self.containers: list[Container] = []
        self.others: list[Container] = []
        self.volumes: dict[str, dict[str, str]] = {}

    def up(self, project, *, state: str = "running") -> World:
        """Everything of the project is there and as the file says."""
        for key, definition in project.networks.items():
            found = labels.network(project, key, definition)
            assert found[labels.CONFIG_HASH] == network_hash(definition)
            self.networks.append(Network(f"id-{definition['name']}", definition["name"], found))
        for key, definition in project.volumes.items():
            self.volumes[definition["name"]] = labels.volume(project, key, definition)
        for service in project.services.values():
            for number in range(1, service.scale + 1):
                self.add(project, service, number, state=state)
        return self

    def add(self, project, service, number: int, *, state: str = "running", **changes: Any) -> Container:
        name = project.container_name(service, number)
        found = labels.container(project, service, number, IMAGE)
        assert found[labels.CONFIG_HASH] == service_hash(service)
        networks = {project.network_name(key): f"id-{project.network_name(key)}" for key in service.networks}
        given = {"labels": found, "networks": networks, "image_id": IMAGE, **changes}
        container = Container(f"{name}-id".ljust(64, "0"), name, state, **given)
        self.containers.append(container)
        return container

    def state(self, **images: str) -> State:
        return State(
            tuple(self.containers),
            tuple(self.networks),
            self.volumes,
            images or {"busybox": IMAGE},
            tuple(self.others),
        )


@pytest.fixture
def world() -> World:
    return World()
