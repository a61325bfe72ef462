"""A container's files seen from the host, running or not, without a way out of its root."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from linkspan.engine.house import House
from linkspan.engine.registry import Managed
from linkspan.engine.rooted import inside
from linkspan.model.container import Container, MountPoint
from linkspan.model.errors import InvalidParameter, NotFound
from linkspan.runtime.images.confined import ConfinedDirectory
from linkspan.runtime.whole import Bind, whole

_LINKS = 40


class View:
    """The root directory of a container: names are resolved by the kernel as after a chroot into it."""

    def __init__(self, root: Path, container: str = "") -> None:
        """`container` is what the user called the container, for the texts of errors."""
        self._directory = ConfinedDirectory(root)
        self._container = container

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.__exit__(None, None, None)

    @contextmanager
    def directory(self, path: str) -> Iterator[int]:
        """Give a descriptor of the directory `path`; raises NotFound, or InvalidParameter if it is none."""
        try:
            descriptor = self._directory.open_parent([*parts(path), "."])
        except FileNotFoundError:
            raise self._missing(path) from None
        except NotADirectoryError:
            raise InvalidParameter(f"{path} is not a directory") from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise InvalidParameter(f"{path}: too many levels of symbolic links") from None
            raise
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _missing(self, path: str) -> NotFound:
        return NotFound(f"Could not find the file {path} in container {self._container}".rstrip())

    def status(self, path: str) -> os.stat_result:
        """Return the status of `path` itself; a final link is not followed. Raises NotFound."""
        with self.holder(path) as (directory, name):
            return os.stat(name, dir_fd=directory, follow_symlinks=False)

    @contextmanager
    def holder(self, path: str) -> Iterator[tuple[int, str]]:
        """Give (descriptor of the directory, name) of `path`, which exists; raises NotFound."""
        names = parts(path)
        if names and names[-1] == "..":
            names, path = [*names, "."], f"{path}/."
        with self.directory("/" + "/".join(names[:-1])) as directory:
            name = names[-1] if names else "."
            try:
                os.stat(name, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                raise self._missing(path) from None
            yield directory, name

    def resolve(self, path: str) -> str:
        """Return `path` with a final symbolic link followed, and links of links, as text inside the root."""
        for _ in range(_LINKS):
            with self.holder(path) as (directory, name):
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if not stat.S_ISLNK(found.st_mode):
                    return path
                target = os.readlink(name, dir_fd=directory)
            base = "" if target.startswith("/") else "/".join(parts(path)[:-1])
            path = f"/{base}/{target}"
        raise InvalidParameter(f"{path}: too many levels of symbolic links")


def parts(path: str) -> list[str]:
    """Return the names of a path in a container; ".." is left to the kernel except at the beginning."""
    return [part for part in path.split("/") if part not in ("", ".")]


@asynccontextmanager
async def opened(house: House, managed: Managed, layers: bool = False) -> AsyncIterator[Path]:
    """Give the host path of a container's root: its process's own view, or while it is down the same put
    together anew; with `layers` only the root file system, without what is mounted in it.

    The root is held open by a descriptor, and not by the container's lock: a slow client holds up nobody,
    and the container may start, end or go meanwhile.
    """
    async with managed.lock:
        descriptor = await house.workers.run(_open, house, managed.container, layers)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
        async with managed.lock:
            if not managed.alive:
                await house.workers.run(house.overlay.unmount, managed.id)


def _open(house: House, container: Container, layers: bool) -> int:
    if container.state.running and container.state.pid and not layers:
        return os.open(f"/proc/{container.state.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    root = house.overlay.mount(container.id)
    if layers:
        return os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return whole(root, [_bind(house, point) for point in container.mounts if point.type != "tmpfs"])


def _bind(house: House, point: MountPoint) -> Bind:
    if point.type == "volume":
        house.volumes.mount(point.name)
    source = inside(Path(point.source), point.subpath) if point.subpath else Path(point.source)
    return Bind(source, point.destination, point.read_only)
