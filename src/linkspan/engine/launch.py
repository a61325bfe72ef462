"""Starting a container: root file system, sandbox, files, process; a failure anywhere leaves nothing."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from linkspan.engine.beside import Beside
from linkspan.engine.failures import Failure, explain
from linkspan.engine.house import House
from linkspan.engine.joining import sandbox_request
from linkspan.engine.links import legacy_links
from linkspan.engine.process import Place, container_process
from linkspan.engine.registry import Managed, Outcome
from linkspan.engine.sharing import shared_namespace
from linkspan.engine.storage import Storage
from linkspan.model.container import Container, Health
from linkspan.model.errors import Conflict, LinkspanError, NotFound
from linkspan.model.sandbox import Sandbox
from linkspan.model.timestamps import rfc3339
from linkspan.runtime import parts
from linkspan.runtime.creation import Creation
from linkspan.runtime.process import Created

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Launched:
    """A container that runs: its processes, and its own sandbox (None when it shares another's).

    `moment` (ns since the epoch) is just before its program began, which may have ended already.
    """

    created: Created
    sandbox: Sandbox | None
    hostname: str
    moment: int


@dataclass(frozen=True, slots=True)
class Mounted:
    """The root file system of a container, and its mounts: where their sources are, and which are trees.

    `restoring`: it is the restart policy that starts it.
    """

    rootfs: Path
    sources: Mapping[str, str]
    trees: frozenset[str]
    restoring: bool


class Launcher:
    """Brings a container's process up. The caller holds the container's lock."""

    def __init__(self, house: House, storage: Storage) -> None:
        self._house = house
        self._storage = storage

    async def launch(self, managed: Managed, restoring: bool = False) -> None:
        """Start the container's process, record it and tell; raises LinkspanError, leaving nothing behind."""
        house = self._house
        try:
            launched = await house.run_networked(
                managed.container, self._assemble, managed.container, restoring
            )
        except Exception as error:
            failure = explain(error, managed.container)
            await self._record_failure(managed, failure)
            raise failure.error from error
        self._record(managed, launched)
        await house.registry.save(managed)
        await self._follow_links(managed.id)
        for endpoint in launched.sandbox.endpoints if launched.sandbox else ():
            house.tell_network(managed.container, "connect", endpoint.network_id)
        house.tell_mounted(managed.container)
        house.tell(managed.container, "start")
        managed.tell_start()

    async def _follow_links(self, id: str) -> None:
        """Tell the containers that link to this one its present address."""
        house = self._house
        for other in map(house.registry.get, house.naming.linked(id)):
            if other is not None:
                await house.workers.run(house.naming.changed, other.container, house.files(other.id))

    def _record(self, managed: Managed, launched: Launched) -> None:
        managed.started = time.monotonic()
        if not managed.container.config["Hostname"] and launched.hostname:
            managed.change(config={**managed.container.config, "Hostname": launched.hostname})
        test = (managed.container.config.get("Healthcheck") or {}).get("Test") or []
        managed.change_state(
            running=True,
            paused=False,
            restarting=False,
            dead=False,
            oom_killed=False,
            pid=launched.created.pid,
            exit_code=0,
            error="",
            started_at=rfc3339(launched.moment),
            health=Health() if test and test[0] not in ("NONE", "") else None,
        )

    async def _record_failure(self, managed: Managed, failure: Failure) -> None:
        managed.change_state(
            running=False,
            restarting=False,
            paused=False,
            pid=0,
            exit_code=failure.code,
            error=str(failure.error),
            health=None,
        )
        await self._house.registry.save(managed)
        managed.tell_failed_start(Outcome(failure.code, str(failure.error)))

    def _assemble(self, container: Container, restoring: bool) -> Launched:
        """Do all that blocks, undoing what was done when a step fails."""
        house = self._house
        house.runtime.expect()
        with ExitStack() as undo:
            self._storage.prepare(container)
            undo.callback(_quietly, partial(parts.release, house.parts(container.id)))
            sources = self._storage.parts(container, house.parts(container.id))
            rootfs = house.overlay.mount(container.id)
            undo.callback(_quietly, partial(house.overlay.unmount, container.id))
            mounted = Mounted(rootfs, sources, self._trees(container, sources), restoring)
            sandbox, creation = self._networked(container, mounted, undo)
            created = creation.finish()
            undo.callback(_quietly, partial(house.runtime.delete, container.id, force=True))
            started = time.time_ns()
            house.runtime.start(container.id)
            undo.pop_all()
        return Launched(created, sandbox, creation.hostname, started)

    def _trees(self, container: Container, sources: Mapping[str, str]) -> frozenset[str]:
        """Return the destinations of mounts that are directories, where the kernel knows trees."""
        if not self._house.runtime.abilities.recursive_read_only:
            return frozenset()
        points = [point for point in container.mounts if point.type != "tmpfs"]
        return frozenset(
            point.destination
            for point in points
            if Path(sources.get(point.destination, point.source)).is_dir()
        )

    def _networked(
        self, container: Container, mounted: Mounted, undo: ExitStack
    ) -> tuple[Sandbox | None, Creation]:
        """Make the sandbox, and begin to set the process up as soon as its namespace stands."""
        mode = container.network_mode
        if mode.startswith("container:"):
            place = self._shared(container, mode.partition(":")[2], mounted)
            return None, self._house.runtime.begin(container_process(container, place))
        house = self._house
        links = legacy_links(container, house.registry, house.network)
        request = replace(
            sandbox_request(container),
            links=tuple(link.id for link in links),
            namespace=shared_namespace(house, container.id),
            restoring=mounted.restoring,
        )
        begin = partial(self._begin, container, mounted)
        beside = Beside(house.naming, container, house.files(container.id), begin)
        sandbox = house.network.join(request, beside)
        undo.callback(_quietly, partial(house.network.leave, container.id))
        undo.callback(_quietly, beside.take_back)
        return sandbox, beside.creation()

    def _begin(self, container: Container, mounted: Mounted, sandbox: Sandbox) -> Creation:
        place = self._place(container, mounted, sandbox.key or None)
        place = replace(place, links=self._house.naming.link_environment(container.id))
        return self._house.runtime.begin(container_process(container, place))

    def _place(self, container: Container, mounted: Mounted, netns: str | None) -> Place:
        settings = self._house.settings
        return Place(
            rootfs=mounted.rootfs,
            sources=mounted.sources,
            trees=mounted.trees,
            log=self._house.log_path(container.id),
            files=self._house.files(container.id),
            hostname=str(container.config.get("Hostname") or ""),
            domainname=str(container.config.get("Domainname") or ""),
            netns=netns,
            pid=self._namespace(container, "PidMode", "pid"),
            ipc=self._namespace(container, "IpcMode", "ipc"),
            shm=self._shm(container),
            ulimits=settings.default_ulimits,
            no_new_privileges=settings.no_new_privileges,
            seccomp=settings.seccomp_profile,
        )

    def _shm(self, container: Container) -> str:
        """Return the /dev/shm of the container whose IPC namespace is shared, or ""."""
        mode = str(container.host_config["IpcMode"])
        if not mode.startswith("container:"):
            return ""
        return self._house.runtime.shm_path(self._running(mode.partition(":")[2], "IPC").id)

    def _shared(self, container: Container, target_id: str, mounted: Mounted) -> Place:
        """Use the namespace and the three files of the container whose network is shared."""
        target = self._running(target_id, "network")
        sandbox = self._sandbox_of(target)
        place = self._place(container, mounted, sandbox.key or None)
        return replace(
            place,
            files=self._house.files(sandbox.container.id),
            hostname=str(target.config.get("Hostname") or ""),
            domainname=str(target.config.get("Domainname") or ""),
        )

    def _sandbox_of(self, target: Container) -> Sandbox:
        """Return the sandbox that `target` lives in, which may be a third container's."""
        mode = target.network_mode
        owner = self._running(mode.partition(":")[2], "network") if mode.startswith("container:") else target
        sandbox = self._house.network.sandbox(owner.id)
        if sandbox is None:
            return self._sandbox_of(owner) if owner is not target else self._lost(target)
        return sandbox

    def _lost(self, target: Container) -> Sandbox:
        raise Conflict(f"container {target.name} has no network namespace")

    def _namespace(self, container: Container, field: str, kind: str) -> str:
        """Return /proc/PID/ns/KIND for "container:ID" in HostConfig, else ""."""
        mode = str(container.host_config.get(field) or "")
        if not mode.startswith("container:"):
            return ""
        target = self._running(mode.partition(":")[2], "IPC" if kind == "ipc" else "PID")
        return f"/proc/{target.state.pid}/ns/{kind}"

    def _running(self, reference: str, kind: str) -> Container:
        try:
            target = self._house.registry.find(reference).container
        except NotFound as error:
            raise NotFound(f"joining {kind} namespace of container: {error}") from None
        if target.state.restarting:
            raise Conflict(f"Container {target.id} is restarting, wait until the container is running")
        if not target.state.running:
            raise Conflict(
                f"cannot join {kind} namespace of a non running container: "
                f"container {target.name} is {target.state.status}"
            )
        return target


def _quietly(step: Callable[[], object]) -> None:
    """Run a step of the undoing; its failure must not hide why the start failed."""
    try:
        step()
    except (LinkspanError, OSError, ExceptionGroup) as error:
        log.warning("undoing a failed start: %s", error)
