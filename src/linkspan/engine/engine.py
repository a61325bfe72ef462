"""The engine: the use cases of one host put together, started in order and stopped in reverse."""

from __future__ import annotations

import asyncio
import logging
import uuid

from linkspan.engine.builds import Builds
from linkspan.engine.containers import Containers
from linkspan.engine.events import Events
from linkspan.engine.execs import Execs
from linkspan.engine.host_resolvers import HostResolvers
from linkspan.engine.house import House
from linkspan.engine.images import ImageUseCases
from linkspan.engine.networks import Networks
from linkspan.engine.reload import attributes, reloaded
from linkspan.engine.settings import DaemonSettings
from linkspan.engine.volumes import VolumeUseCases
from linkspan.engine.watching import HostWatch
from linkspan.model.errors import LinkspanError
from linkspan.runtime.images.skopeo import Registries

log = logging.getLogger(__name__)

_DAEMON = "daemon"
BACKUPS = 600
"""Seconds between copies of the state; one that has not changed is not copied again."""


class Engine:
    """Everything the API can ask for, by family."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.id = ""
        self.warnings = house.warnings
        self._host_resolvers = HostResolvers(house)
        self._watch = HostWatch(house, house.network.notices)
        self.execs = Execs(house)
        self.containers = Containers(house, self.execs)
        self.networks = Networks(
            house.network, house.registry, house.workers, house.events, self.containers.refresh_files
        )
        self.images = ImageUseCases(house)
        self.builds = Builds(house, self.images)
        self.volumes = VolumeUseCases(house)

    @property
    def house(self) -> House:
        """Return the adapters, for the tools that look at all of it."""
        return self._house

    @property
    def settings(self) -> DaemonSettings:
        """Return what the daemon was started with."""
        return self._house.settings

    @property
    def events(self) -> Events:
        """Return the event bus."""
        return self._house.events

    @property
    def runtime_name(self) -> str:
        """Return the name of the OCI runtime."""
        return self._house.runtime.name

    async def start(self) -> None:
        """Bring networks up, offer the embedded image, take over containers, apply restart policies."""
        house = self._house
        self.id = await house.workers.run(self._identity)
        await house.workers.run(house.network.start)
        await self.images.start()
        await self.containers.recover()
        self._host_resolvers.start()
        self._watch.start()
        house.workers.spawn(self._keep_backups())

    async def _keep_backups(self) -> None:
        """Copy the state beside itself from time to time, for the day when the file is torn."""
        store = self._house.store
        while True:
            await asyncio.sleep(BACKUPS)
            try:
                await self._house.workers.run(store.keep_backup)
            except LinkspanError as error:
                log.error("no copy of the state is kept: %s", error)

    def _identity(self) -> str:
        """Return this daemon's lasting id."""
        known = self._house.store.get(_DAEMON, "identity")
        if known is None:
            known = {"id": str(uuid.uuid4())}
            self._house.store.put(_DAEMON, "identity", known)
        return str(known["id"])

    def reload(self, wanted: DaemonSettings) -> None:
        """Take over what of `wanted` may change while the daemon runs, and tell (SIGHUP)."""
        house = self._house
        house.settings = reloaded(house.settings, wanted)
        house.images.registries = Registries(house.settings.insecure_registries)
        house.events.publish(_DAEMON, "reload", self.id, attributes(house.settings))

    async def stop(self) -> None:
        """Stop the containers (not with live-restore), end the streams, and let go of the adapters."""
        house = self._house
        self._host_resolvers.close()
        self._watch.close()
        await self._shut_down()
        house.events.close()
        house.naming.close()
        if not house.settings.live_restore:
            await house.workers.run(house.network.stop)
        await house.workers.stop()
        house.runtime.close()

    async def _shut_down(self) -> None:
        """Stop the containers; when they take too long, leave the rest to the next start."""
        try:
            async with asyncio.timeout(self.containers.patience()):
                await self.containers.shut_down()
        except TimeoutError:
            log.error("containers did not stop in time: stopping without them")
