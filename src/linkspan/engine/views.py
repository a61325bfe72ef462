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
from linkspan.model.container import Container
from linkspan.model.errors import InvalidParameter, NotFound
from linkspan.runtime.images.confined import ConfinedDirectory

_LINKS = 40


class View:
    """The root directory of a container: names are resolved by the kernel as after a chroot into it."""

    def __init__(self, root: Path) -> None:
        self._directory = ConfinedDirectory(root)

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
            raise NotFound(f"Could not find the file {path} in container") from None
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
                raise NotFound(f"Could not find the file {path} in container") from None
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
    """Give the host path of a container's root: its process's own view, or with `layers` or while it is down
    the mounted layers.

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
    alive = container.state.running and container.state.pid and not layers
    root = Path(f"/proc/{container.state.pid}/root") if alive else house.overlay.mount(container.id)
    return os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def through_mounts(container: Container, root: Path, path: str) -> tuple[Path, str]:
    """Return (root, path): for a stopped container, whose volumes are not mounted, the volume's own."""
    if container.state.running and container.state.pid:
        return root, path
    names = parts(path)
    best: tuple[Path, str] = (root, path)
    deepest = 0
    for point in container.mounts:
        own = parts(point.destination)
        if point.type != "tmpfs" and names[: len(own)] == own and len(own) > deepest:
            deepest = len(own)
            tail = "/".join(names[len(own) :])
            best = Path(point.source), f"/{tail}" + ("/" if path.endswith("/") else "")
    return best
