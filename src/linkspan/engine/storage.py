"""A container's volumes and binds on the host: created, checked, filled from the image, and given back."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from linkspan.engine.mounts import MountRequest, overlaid, volumes_from
from linkspan.engine.registry import Registry
from linkspan.engine.rooted import inside
from linkspan.model.container import Container, MountPoint
from linkspan.model.errors import InvalidParameter, LinkspanError
from linkspan.runtime import parts
from linkspan.runtime.rootfs import Overlay
from linkspan.runtime.volumes import Volumes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The mounts of a container, and the names of the volumes that were made for them."""

    points: tuple[MountPoint, ...]
    made: tuple[str, ...]


class Storage:
    """Resolves mount requests. Blocking; called from worker threads."""

    def __init__(self, volumes: Volumes, overlay: Overlay, registry: Registry) -> None:
        self._volumes = volumes
        self._overlay = overlay
        self._registry = registry

    def resolve(self, container: Container, requests: Sequence[MountRequest]) -> Resolved:
        """Return the mounts with their host paths; new volumes are made and filled. Undone on failure."""
        made: list[str] = []
        try:
            own = [self._point(request, made) for request in requests]
            points = overlaid(self._borrowed(container), own)
            self._fill(container, [point for point in points if point.type == "volume"])
        except BaseException:
            for name in made:
                self._volumes.remove(name)
            raise
        return Resolved(tuple(points), tuple(made))

    def _point(self, request: MountRequest, made: list[str]) -> MountPoint:
        point = request.point
        if point.type == "bind":
            return self._bind(point)
        if point.type == "volume":
            return self._volume(request, made)
        return point

    def _bind(self, point: MountPoint) -> MountPoint:
        if not point.create_source and not Path(point.source).exists():
            raise InvalidParameter(
                f'invalid mount config for type "bind": bind source path does not exist: {point.source}'
            )
        return point

    def _volume(self, request: MountRequest, made: list[str]) -> MountPoint:
        point = request.point
        known = {volume.name for volume in self._volumes.list()} if point.name else set()
        volume = self._volumes.create(
            point.name,
            driver=point.driver or "local",
            options=dict(request.driver_options),
            labels=dict(request.labels),
        )
        if volume.name not in known:
            made.append(volume.name)
        return replace(point, name=volume.name, source=str(volume.mountpoint), driver="local")

    def _borrowed(self, container: Container) -> list[MountPoint]:
        found: list[MountPoint] = []
        for spec in container.host_config.get("VolumesFrom") or ():
            reference, read_only = volumes_from(str(spec))
            for point in self._registry.find(reference).container.mounts:
                if point.type == "tmpfs":
                    continue
                access = point.read_only if read_only is None else read_only
                found.append(replace(point, read_only=access, anonymous=False))
        return found

    def _fill(self, container: Container, points: Sequence[MountPoint]) -> None:
        """Copy what the image has at a volume's place into the volume while that is empty."""
        for point in points:
            self._volumes.mount(point.name)
        empty = [p for p in points if not p.no_copy and not p.subpath and not any(os.scandir(p.source))]
        if not empty:
            return
        root = self._overlay.mount(container.id)
        try:
            for point in empty:
                _copy_up(inside(root, point.destination), Path(point.source))
        finally:
            self._overlay.unmount(container.id)

    def prepare(self, container: Container) -> None:
        """Mount the volumes and make the missing sources of `-v` binds; refuse those of others."""
        for point in container.mounts:
            if point.type == "volume":
                self._volumes.mount(point.name)
            elif point.type == "bind":
                self._bind(point)
                if not Path(point.source).exists():
                    Path(point.source).mkdir(parents=True)

    def parts(self, container: Container, places: Path) -> dict[str, str]:
        """Mount the parts of volumes (`volume-subpath`) below `places`; return them by destination.

        Raises InvalidParameter for a path that is not in the volume. The caller releases `places`.
        """
        return {
            point.destination: str(parts.hold(places, str(number), Path(point.source), point.subpath))
            for number, point in enumerate(container.mounts)
            if point.subpath
        }

    def give_back(self, container: Container, all_anonymous: bool) -> list[str]:
        """Remove the anonymous volumes that only this container used; return their names."""
        removed: list[str] = []
        if not all_anonymous:
            return removed
        used = {
            point.name
            for other in self._registry.all()
            if other.id != container.id
            for point in other.container.mounts
        }
        for point in container.mounts:
            if point.type == "volume" and point.anonymous and point.name not in used:
                try:
                    self._volumes.remove(point.name)
                    removed.append(point.name)
                except LinkspanError as error:
                    log.warning("removing the volume %s of %s: %s", point.name, container.name, error)
        return removed


def _copy_up(source: Path, target: Path) -> None:
    if not source.is_dir():
        return
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, copy_function=_copy_file)
    _own(source, target)
    for directory, names, files in os.walk(target):
        relative = Path(directory).relative_to(target)
        for name in (*names, *files):
            _own(source / relative / name, Path(directory) / name)


def _copy_file(source: str, target: str) -> str:
    return str(shutil.copy2(source, target, follow_symlinks=False))


def _own(source: Path, target: Path) -> None:
    status = source.lstat()
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not target.is_symlink():
        target.chmod(status.st_mode & 0o7777)
