"""The containers of this host: one door to every use case, and looking at them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from linkspan.engine import inspect, listing
from linkspan.engine.archive import Archives
from linkspan.engine.attach import Attaching
from linkspan.engine.create import Creation
from linkspan.engine.execs import Execs
from linkspan.engine.health import HealthWatch
from linkspan.engine.house import House
from linkspan.engine.inspect import Shape
from linkspan.engine.launch import Launcher
from linkspan.engine.lifecycle import Lifecycle
from linkspan.engine.links import shown_links
from linkspan.engine.listing import Filters, Row
from linkspan.engine.live_ports import Ports
from linkspan.engine.logs import Logs
from linkspan.engine.recover import Recovery
from linkspan.engine.registry import Managed
from linkspan.engine.removal import Removal
from linkspan.engine.stats import Stats
from linkspan.engine.stopping import Stopping
from linkspan.engine.storage import Storage
from linkspan.engine.supervise import Supervisor
from linkspan.engine.waiting import Waiting
from linkspan.model.container import Container
from linkspan.model.errors import Conflict, LinkspanError, NotFound
from linkspan.model.filters import labels_pass, until
from linkspan.model.sandbox import Sandbox
from linkspan.model.timestamps import to_nanoseconds

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune removed, and the bytes that freed."""

    ids: tuple[str, ...]
    reclaimed: int


class Containers:
    """Every use case of containers; the public attributes are the use cases by family."""

    def __init__(self, house: House, execs: Execs) -> None:
        self._house = house
        self._execs = execs
        storage = Storage(house.volumes, house.overlay, house.registry)
        stopping = Stopping(house)
        launcher = Launcher(house, storage)
        self._removal = Removal(house, storage, stopping, execs)
        supervisor = Supervisor(house, launcher, self._removal, HealthWatch(house, execs))
        self._recovery = Recovery(house, supervisor, stopping, self._removal)
        self._launcher = launcher
        self.lifecycle = Lifecycle(house, supervisor, stopping)
        self.ports = Ports(house)
        self.logs = Logs(house)
        self.archives = Archives(house)
        self.stats = Stats(house)
        self.create = Creation(house, storage).create
        self.attach = Attaching(house).open
        self.wait = Waiting(house.registry).wait
        self.remove = self._removal.remove
        self.recover = self._recovery.start
        self.shut_down = self._recovery.stop
        self.patience = self._recovery.patience

    def find(self, reference: str) -> Container:
        """Return a container by id, name or unique prefix; raises NotFound, InvalidParameter."""
        return self._house.registry.find(reference).container

    async def counts(self) -> Mapping[str, int]:
        """Return how many containers are in each state."""
        return Counter(managed.state.status for managed in self._house.registry.all())

    async def inspect(self, reference: str, size: bool = False, shape: Shape = Shape()) -> Document:  # noqa: B008
        """Return GET /containers/{id}/json in the shape of an API version."""
        managed = self._house.registry.find(reference)
        container = managed.container
        sandbox = self._sandbox(container)
        layers, indexes = await self._house.workers.run(self._outside, container.id, sandbox)
        settings = inspect.network_settings(container, sandbox, self._network_ids(container), shape, indexes)
        graph = {"Name": "overlay2", "Data": layers}
        document = inspect.container_document(
            container, settings, self._paths(container), self._execs.of(managed), graph
        )
        if links := shown_links(container, self._house.registry):
            document["HostConfig"]["Links"] = links
        if size:
            document |= await self._house.workers.run(self._sizes, container)
        return document

    def _outside(self, id: str, sandbox: Sandbox | None) -> tuple[dict[str, str], dict[str, int]]:
        """Return where the layers of a container are, and the host's links that lead into it."""
        return self._graph(id), self._house.network.host_links(sandbox) if sandbox else {}

    def _graph(self, id: str) -> dict[str, str]:
        try:
            return {"ID": id, **self._house.overlay.directories(id)}
        except FileNotFoundError:
            raise NotFound(f"No such container: {id}") from None  # removed while it was looked at

    def _sizes(self, container: Container) -> dict[str, int]:
        own = self._house.overlay.size(container.id)
        return {"SizeRw": own, "SizeRootFs": own + self._house.images.get(container.image_id).size}

    def _paths(self, container: Container) -> dict[str, str]:
        mode = container.network_mode
        owner = mode.partition(":")[2] if mode.startswith("container:") else container.id
        files = self._house.files(owner)
        begun = files.hosts.exists()
        return {
            "ResolvConfPath": str(files.resolv) if begun else "",
            "HostnamePath": str(files.hostname) if begun else "",
            "HostsPath": str(files.hosts) if begun else "",
            "LogPath": str(self._house.log_path(container.id)),
        }

    def _sandbox(self, container: Container) -> Sandbox | None:
        return self._house.network.sandbox(container.id) if container.state.running else None

    def _network_ids(self, container: Container) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in container.networks:
            try:
                found[name] = self._house.network.network(name).id
            except LinkspanError:
                found[name] = ""
        return found

    async def list(
        self, everything: bool = False, limit: int = 0, size: bool = False, filters: Filters | None = None
    ) -> list[Document]:
        """Return the rows of GET /containers/json, newest first."""
        wanted = filters or {}
        listing.check_filters(wanted)
        anchors = [self._anchor(wanted, name) for name in ("before", "since")]
        everything = everything or limit > 0 or bool({"status", "exited", "before", "since"} & set(wanted))
        ancestors = await self._house.workers.run(self._ancestors, wanted)
        rows = [self._row(managed, ancestors) for managed in self._house.registry.all()]
        chosen = [
            row for row in rows if (everything or row.container.state.running) and listing.passes(row, wanted)
        ]
        now = time.time_ns()
        shown = listing.windowed(chosen, anchors[0], anchors[1], limit)
        documents = [listing.row_document(row, now) for row in shown]
        if size:
            for row, document in zip(shown, documents, strict=True):
                document |= await self._house.workers.run(self._sizes, row.container)
        return documents

    def _anchor(self, filters: Filters, name: str) -> str:
        values = filters.get(name, ())
        return self.find(values[0]).id if values else ""

    def _ancestors(self, filters: Filters) -> dict[str, frozenset[str]]:
        """Return, per `ancestor` value, the ids of the images that descend from it."""
        found: dict[str, frozenset[str]] = {}
        for value in filters.get("ancestor", ()):
            try:
                base = self._house.images.find(value)
            except LinkspanError:
                found[value] = frozenset()
                continue
            family = (
                image.id
                for image in self._house.images.index.images()
                if image.layers[: len(base.layers)] == base.layers
            )
            found[value] = frozenset((base.id, *family))
        return found

    def _row(self, managed: Managed, ancestors: Mapping[str, frozenset[str]]) -> Row:
        container = managed.container
        sandbox = self._sandbox(container)
        return Row(
            container=container,
            image=self._image_name(container),
            networks=inspect.networks_document(container, sandbox, self._network_ids(container), Shape()),
            ports=inspect.ports_document(container, sandbox),
            ancestors=frozenset(v for v, ids in ancestors.items() if container.image_id in ids),
        )

    def _image_name(self, container: Container) -> str:
        """Return the image as it was named, or its id when the name leads elsewhere now."""
        try:
            same = self._house.images.find(container.image).id == container.image_id
        except LinkspanError:
            same = False
        return container.image if same else container.image_id

    async def top(self, reference: str, ps_args: str) -> Document:
        """Return {Titles, Processes} of GET /containers/{id}/top."""
        managed = self._house.registry.find(reference)
        if not managed.state.running:
            raise Conflict(f"container {managed.id} is not running")
        if managed.state.restarting:
            raise Conflict(f"Container {managed.id} is restarting, wait until the container is running")
        titles, rows = await self._house.workers.run(self._house.runtime.top, managed.id, ps_args)
        self._house.tell(managed.container, "top")
        return {"Titles": titles, "Processes": rows}

    async def prune(self, filters: Filters) -> Pruned:
        """Remove the containers that do not run and pass `filters` (until, label, label!)."""
        before = until(filters, time.time_ns())
        removed, freed = [], 0
        for managed in self._house.registry.all():
            container = managed.container
            if container.state.running or not labels_pass(container.labels, filters):
                continue
            if before is not None and to_nanoseconds(container.created) >= before:
                continue
            size = await self._house.workers.run(self._house.overlay.size, container.id)
            try:
                await self._removal.remove(container.id)
            except LinkspanError:
                continue
            removed.append(container.id)
            freed += size
        self._house.events.publish("container", "prune", "", {"reclaimed": str(freed)})
        return Pruned(tuple(removed), freed)

    def refresh_files(self, container: Container) -> None:
        """Write hosts and resolv.conf of a running container anew, after its networks changed. Blocking."""
        self._house.naming.changed(container, self._house.files(container.id))
