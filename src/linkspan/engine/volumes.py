"""Use cases of volumes: create, list, inspect, remove, prune; each tells its event."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from linkspan.engine.house import House
from linkspan.model.errors import InvalidParameter, NotFound
from linkspan.model.filters import Filters, labels_pass, until
from linkspan.model.timestamps import parse_moment
from linkspan.model.volume import Volume, select

_PRUNE_FILTERS = frozenset({"all", "label", "label!", "until"})


@dataclass(frozen=True, slots=True)
class VolumeUsage:
    """A volume with the bytes it takes and how many containers have it."""

    volume: Volume
    size: int
    containers: int


class VolumeUseCases:
    """What the API can ask about volumes. Used from the event loop."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._volumes = house.volumes
        self._run = house.workers.run

    async def create(
        self, name: str, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> Volume:
        """Make a volume, or return the one of that name. Raises InvalidParameter, NotFound (driver)."""
        known = any(volume.name == name for volume in self._volumes.list())
        try:
            volume = await self._run(self._volumes.create, name, driver, options, labels)
        except NotFound as error:
            raise NotFound(f"create {name}: {error}") from error
        if not known:
            self._tell("create", volume)
        return volume

    async def list(self, filters: Filters) -> Sequence[Volume]:
        """Return the volumes that pass `filters`, by name."""
        return select(self._volumes.list(), filters, self._used())

    async def inspect(self, name: str) -> Volume:
        """Return a volume. Raises NotFound."""
        return self._volumes.get(name)

    async def remove(self, name: str, force: bool = False) -> None:
        """Delete a volume; with `force` a missing one is fine. Raises NotFound, Conflict (in use)."""
        try:
            volume = self._volumes.get(name)
        except NotFound:
            if force:
                return
            raise
        await self._run(self._volumes.remove, name, self.users(name))
        self._tell("destroy", volume)

    async def prune(self, filters: Filters, everything: bool = False) -> tuple[Sequence[str], int]:
        """Remove the volumes that no container has: anonymous ones, with `everything` or all=true named ones.

        Returns their names and the bytes freed. Raises InvalidParameter for an unknown filter.
        """
        for name in filters:
            if name not in _PRUNE_FILTERS:
                raise InvalidParameter(f"invalid filter '{name}'")
        named = everything or any(value.lower() in ("1", "true") for value in filters.get("all", ()))
        before = until(filters, time.time_ns())
        known = {volume.name: volume for volume in self._volumes.list()}

        def wanted(volume: Volume) -> bool:
            old = before is None or parse_moment(volume.created) < before
            return old and labels_pass(dict(volume.labels), filters)

        names, freed = await self._run(self._volumes.prune, self._used(), named, wanted)
        for name in names:
            self._tell("destroy", known[name])
        self._house.events.publish("volume", "prune", "", {"reclaimed": str(freed)})
        return names, freed

    async def usage(self) -> Sequence[VolumeUsage]:
        """Return every volume with its size and how many containers have it (for `docker system df`)."""
        counts = Counter(name for names in self._mounted().values() for name in names)
        return [
            VolumeUsage(volume, await self._run(self._volumes.size, volume.name), counts[volume.name])
            for volume in self._volumes.list()
        ]

    def users(self, name: str) -> Sequence[str]:
        """Return the ids of the containers, running or not, that have the volume."""
        return [id for id, names in self._mounted().items() if name in names]

    def _mounted(self) -> dict[str, set[str]]:
        return {
            managed.id: {point.name for point in managed.container.mounts if point.type == "volume"}
            for managed in self._house.registry.all()
        }

    def _used(self) -> frozenset[str]:
        return frozenset(name for names in self._mounted().values() for name in names)

    def _tell(self, action: str, volume: Volume) -> None:
        self._house.events.publish("volume", action, volume.name, {"driver": volume.driver})
