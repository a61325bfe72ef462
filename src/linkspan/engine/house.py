"""Everything that the use cases of containers work with: the adapters, the registry and the event bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from linkspan.engine.events import Events
from linkspan.engine.files import Files
from linkspan.engine.naming import Naming
from linkspan.engine.registry import Registry
from linkspan.engine.settings import DaemonSettings
from linkspan.engine.workers import Workers
from linkspan.model.container import Container
from linkspan.network.controller import Controller
from linkspan.runtime.images.library import Images
from linkspan.runtime.rootfs import Overlay
from linkspan.runtime.runtime import Runtime
from linkspan.runtime.volumes import Volumes
from linkspan.store.database import Store

T = TypeVar("T")


@dataclass(slots=True)
class House:
    """The adapters and the shared state of the engine; of these only `settings` changes, by a reload.

    `warnings` is what is wrong with this host; it is told in `docker info` and to who starts a container.
    """

    settings: DaemonSettings
    store: Store
    workers: Workers
    events: Events
    registry: Registry
    network: Controller
    naming: Naming
    runtime: Runtime
    overlay: Overlay
    images: Images
    volumes: Volumes
    warnings: list[str] = field(default_factory=list)

    async def run_networked(self, container: Container, work: Callable[..., T], *arguments: Any) -> T:
        """Run what may ask plugins of a container's networks: they hold up no thread that others need."""
        slow = self.network.asks_plugins(tuple(container.networks))
        return await (self.workers.apart if slow else self.workers.run)(work, *arguments)

    def directory(self, id: str) -> Path:
        """Return where the files of a container are kept."""
        return self.settings.data_root / "containers" / id

    def directories(self) -> list[str]:
        """Return the ids that there are such directories of."""
        root = self.settings.data_root / "containers"
        return sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []

    def files(self, id: str) -> Files:
        """Return the paths of a container's hosts, hostname and resolv.conf."""
        return Files.of(self.directory(id))

    def log_path(self, id: str) -> Path:
        """Return the path of a container's log."""
        return self.directory(id) / "container.log"

    def parts(self, id: str) -> Path:
        """Return where the parts of volumes that a container mounts are held."""
        return self.directory(id) / "parts"

    def tell(self, container: Container, action: str, **attributes: str) -> None:
        """Publish an event of a container with its labels, image and name."""
        everything = {**container.labels, "image": container.image, "name": container.name, **attributes}
        self.events.publish("container", action, container.id, everything)

    def tell_network(self, container: Container, action: str, network_id: str) -> None:
        """Publish that a container was connected to or disconnected from a network."""
        network = self.network.network(network_id)
        attributes = {"container": container.id, "name": network.name, "type": network.driver}
        self.events.publish("network", action, network.id, attributes)

    def tell_volume(self, name: str, action: str, **attributes: str) -> None:
        """Publish that a volume was made or deleted."""
        self.events.publish("volume", action, name, {"driver": "local", **attributes})

    def tell_mounted(self, container: Container) -> None:
        """Publish that a container's volumes are mounted."""
        for point in container.mounts:
            if point.type == "volume":
                access = {"read/write": "false" if point.read_only else "true"}
                place = {"container": container.id, "destination": point.destination, "propagation": ""}
                self.tell_volume(point.name, "mount", **place, **access)

    def tell_unmounted(self, container: Container) -> None:
        """Publish that a container's volumes are not mounted any more."""
        for point in container.mounts:
            if point.type == "volume":
                self.tell_volume(point.name, "unmount", container=container.id)
