"""Creating a container: validate everything, then root file system, volumes, record, event."""

from __future__ import annotations

import secrets
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from linkspan.engine import configuration, resource_rules, validation
from linkspan.engine.house import House
from linkspan.engine.joining import published, sandbox_request
from linkspan.engine.links import bound_links
from linkspan.engine.mounts import MountRequest, mount_requests
from linkspan.engine.names import checked_name, random_name
from linkspan.engine.option_rules import platform_differs
from linkspan.engine.registry import Managed
from linkspan.engine.skeleton import skeleton
from linkspan.engine.storage import Resolved, Storage
from linkspan.model.container import Container
from linkspan.model.errors import InvalidParameter, NotFound
from linkspan.model.image import Image
from linkspan.model.network import EndpointConfig
from linkspan.model.timestamps import rfc3339


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """The body of POST /containers/create, split; `networks` are the endpoints in the order given."""

    config: Mapping[str, Any]
    host_config: Mapping[str, Any] = field(default_factory=dict)
    networks: Mapping[str, EndpointConfig] = field(default_factory=dict)
    name: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class CreateAnswer:
    """What the client is told: the full id, and warnings."""

    id: str
    warnings: tuple[str, ...]


class Creation:
    """The use case of POST /containers/create."""

    def __init__(self, house: House, storage: Storage) -> None:
        self._house = house
        self._storage = storage

    async def create(self, request: CreateRequest) -> CreateAnswer:
        """Create a container; all or nothing. Raises InvalidParameter, NotFound (image), Conflict (name)."""
        config = configuration.complete_config(request.config)
        host = configuration.complete_host_config(request.host_config)
        abilities = self._house.runtime.abilities
        warnings = validation.validate(config, host, config["Hostname"], abilities)
        host = self._shown(resource_rules.adapted(host, abilities))
        if not config["Image"]:
            raise InvalidParameter("no image specified: Image must not be empty")
        self._house.runtime.expect()
        with ExitStack() as held:
            hold = self._house.images.hold(config["Image"])
            image = await self._house.workers.run(held.enter_context, hold)
            if request.platform and (difference := platform_differs(image, request.platform)):
                raise NotFound(f"image with reference {config['Image']} was found but {difference}")
            container = await self._create(request, config, host, image)
        if host["NetworkMode"] not in ("host", "none"):
            warnings = warnings + self._house.warnings
        warnings = [*warnings, *await self._exposures(container)]
        return CreateAnswer(container.id, tuple(warnings))

    async def _exposures(self, container: Container) -> list[str]:
        """Return what the published ports open behind the back of the host's own firewall."""
        if container.network_mode.startswith("container:") or not published(container):
            return []
        network = self._house.network
        return await self._house.workers.run(network.exposures, sandbox_request(container))

    def _shown(self, host: dict[str, Any]) -> dict[str, Any]:
        """Return HostConfig with the names of what is taken where nothing was asked for."""
        runtime = self._house.runtime
        namespace = "private" if runtime.abilities.cgroup_namespaces else "host"
        return {
            **host,
            "Runtime": host["Runtime"] or runtime.name,
            "CgroupnsMode": host["CgroupnsMode"] or namespace,
        }

    async def _create(
        self, request: CreateRequest, config: dict[str, Any], host: dict[str, Any], image: Image
    ) -> Container:
        config = configuration.merge_image(config, image.config)
        line = configuration.command_line(config)
        name = checked_name(request.name) if request.name else ""
        container = self._container(name, image, config, host, line, request.networks)
        mounts = mount_requests(config, host)
        container = await self._checked(container)
        await self._make(container, mounts, image)
        return container

    def _container(
        self,
        name: str,
        image: Image,
        config: dict[str, Any],
        host: dict[str, Any],
        line: tuple[str, tuple[str, ...]],
        networks: Mapping[str, EndpointConfig],
    ) -> Container:
        id = self._new_id()
        mode = host["NetworkMode"]
        if not config["Hostname"] and not mode.startswith("container:"):
            config = {**config, "Hostname": socket.gethostname() if mode == "host" else id[:12]}
        return Container(
            id=id,
            name=name,
            created=rfc3339(time.time_ns()),
            image_id=image.id,
            image=config["Image"],
            path=line[0],
            args=line[1],
            config=config,
            host_config=host,
            networks=attachments(mode, networks, config.get("MacAddress") or ""),
        )

    def _new_id(self) -> str:
        while True:
            id = secrets.token_hex(32)
            if not id[:12].isdigit() and self._house.registry.get(id) is None:
                return id

    async def _checked(self, container: Container) -> Container:
        """Resolve "container:name" to the full id, and let the network part refuse what it must."""
        mode = container.network_mode
        if mode.startswith("container:"):
            return replace(
                container, host_config={**container.host_config, "NetworkMode": self._shared(mode)}
            )
        if links := bound_links(container, self._house.registry):
            container = replace(container, host_config={**container.host_config, "Links": links})
        request = sandbox_request(container)
        await self._house.workers.run(self._house.network.validate, request)
        return container

    def _shared(self, mode: str) -> str:
        """Return the mode with the full id; one that names nobody is kept, and the start will refuse it."""
        try:
            return f"container:{self._house.registry.find(mode.partition(':')[2]).id}"
        except NotFound:
            return mode

    async def _make(self, container: Container, mounts: list[MountRequest], image: Image) -> None:
        registry = self._house.registry
        name = container.name or random_name(registry.name_taken, container.short_id)
        registry.reserve_name(name, container.id)
        managed = Managed(replace(container, name=name))
        made: tuple[str, ...] = ()
        try:
            resolved = await self._house.workers.run(self._materialise, managed.container, mounts, image)
            made = resolved.made
            managed.change(mounts=resolved.points)
            await registry.save(managed)
        except BaseException:
            registry.release_name(name)
            await self._house.workers.run(self._undo, container.id, made)
            raise
        registry.insert(managed)
        for volume in made:
            self._house.tell_volume(volume, "create")
        self._house.tell(managed.container, "create")

    def _materialise(self, container: Container, mounts: list[MountRequest], image: Image) -> Resolved:
        house = self._house
        house.directory(container.id).mkdir(parents=True, mode=0o710)
        layers = [*house.images.layers(image), skeleton(house.settings.data_root)]
        house.overlay.prepare(container.id, layers)
        if not container.network_mode.startswith("container:"):
            request = sandbox_request(container)
            house.network.reserve(request.container, request.endpoints)
        return self._storage.resolve(container, mounts)

    def _undo(self, id: str, volumes: tuple[str, ...]) -> None:
        self._house.network.release(id)
        self._house.overlay.remove(id)
        for name in volumes:
            self._house.volumes.remove(name)
        shutil.rmtree(self._house.directory(id), ignore_errors=True)


def attachments(mode: str, given: Mapping[str, EndpointConfig], mac: str = "") -> dict[str, EndpointConfig]:
    """Return the endpoints of a container: those given, and in front one for the network mode.

    "default" stands for "bridge". Raises InvalidParameter where modes exclude each other.
    """
    named = {"bridge" if name == "default" else name: config for name, config in given.items()}
    if mode.startswith("container:"):
        if named:
            raise InvalidParameter(
                "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
            )
        return {}
    validation.check_endpoint_modes(mode, list(named))
    first = named.get(mode, EndpointConfig())
    if mac and not first.mac:
        first = replace(first, mac=mac)
    rest = {name: config for name, config in named.items() if name != mode}
    return {mode: first, **rest}
