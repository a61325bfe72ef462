"""`docker cp`, `docker export` and `docker diff`: a container's files in and out.

Source: moby daemon/archive.go; Docker Engine API, "Get information about files in a container".
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from linkspan.engine import tarring
from linkspan.engine.house import House
from linkspan.engine.registry import Managed
from linkspan.engine.streaming import produced
from linkspan.engine.views import View, opened
from linkspan.model.container import Container
from linkspan.model.errors import Forbidden, InvalidParameter, NotFound
from linkspan.model.timestamps import rfc3339
from linkspan.runtime import identity

_GO_DIRECTORY, _GO_LINK, _GO_DEVICE, _GO_PIPE, _GO_SOCKET, _GO_CHAR = (
    1 << 31,
    1 << 27,
    1 << 26,
    1 << 25,
    1 << 24,
    1 << 21,
)


@dataclass(frozen=True, slots=True)
class PathStat:
    """What X-Docker-Container-Path-Stat tells of a path; `mode` is Go's os.FileMode, `mtime` RFC 3339."""

    name: str
    size: int
    mode: int
    mtime: str
    link_target: str

    def document(self) -> dict[str, Any]:
        """Return the JSON object of the header."""
        return {
            "name": self.name,
            "size": self.size,
            "mode": self.mode,
            "mtime": self.mtime,
            "linkTarget": self.link_target,
        }


def go_mode(mode: int) -> int:
    """Return st_mode as Go's os.FileMode."""
    found = mode & 0o777
    kinds = (
        (stat.S_ISDIR, _GO_DIRECTORY),
        (stat.S_ISLNK, _GO_LINK),
        (stat.S_ISBLK, _GO_DEVICE),
        (stat.S_ISCHR, _GO_DEVICE | _GO_CHAR),
        (stat.S_ISFIFO, _GO_PIPE),
        (stat.S_ISSOCK, _GO_SOCKET),
    )
    for test, bits in kinds:
        if test(mode):
            found |= bits
    for bit, go_bit in ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20)):
        if mode & bit:
            found |= go_bit
    return found


class Archives:
    """The use cases of /containers/{id}/archive, export and changes."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def stat(self, reference: str, path: str) -> PathStat:
        """Return what a path is; raises NotFound."""
        managed = self._house.registry.find(reference)
        async with opened(self._house, managed) as root:
            return await self._house.workers.run(_stat, reference, root, path)

    async def get(self, reference: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """Return what a path is, and the pieces of a tar of it; raises NotFound before the first piece."""
        managed = self._house.registry.find(reference)
        status = await self.stat(reference, path)
        self._house.tell(managed.container, "archive-path")
        return status, self._streamed(managed, partial(_pack, reference, path))

    async def put(
        self,
        reference: str,
        path: str,
        read: Callable[[int], bytes],
        keep_directories: bool = False,
        owned_by_user: bool = False,
    ) -> None:
        """Unpack a tar (read by `read` in a thread) into the directory `path` of a container.

        The archive's owners are kept, or with `owned_by_user` everything belongs to the container's user.
        Raises NotFound, InvalidParameter, or Forbidden for a read-only root or mount.
        """
        managed = self._house.registry.find(reference)
        container = managed.container
        _refuse_read_only(container, _absolute(path))
        async with opened(self._house, managed) as root:
            owner = await self._house.workers.run(_owner, root, container) if owned_by_user else None
            into = partial(tarring.unpack, read=read, keep_directories=keep_directories, owner=owner)
            await self._house.workers.apart(_unpack, reference, root, path, into)
        self._house.tell(container, "extract-to-dir")

    async def export(self, reference: str) -> AsyncIterator[bytes]:
        """Return the pieces of a tar of the root file system, without what is mounted in it."""
        managed = self._house.registry.find(reference)
        self._house.tell(managed.container, "export")
        return self._streamed(managed, _export, layers=True)

    async def _streamed(
        self, managed: Managed, produce: Callable[[Path, BinaryIO], None], layers: bool = False
    ) -> AsyncIterator[bytes]:
        async with (
            opened(self._house, managed, layers) as root,
            aclosing(produced(self._house.workers, partial(produce, root))) as pieces,
        ):
            async for piece in pieces:
                yield piece

    async def changes(self, reference: str) -> list[dict[str, Any]]:
        """Return what differs from the image: Kind 0 modified, 1 added, 2 deleted."""
        managed = self._house.registry.find(reference)
        found = await self._house.workers.run(self._house.overlay.changes, managed.id)
        return [{"Path": change.path, "Kind": int(change.kind)} for change in found]


def _stat(reference: str, root: Path, path: str) -> PathStat:
    with View(root, reference) as view:
        return _path_stat(view, _absolute(path), path)


def _pack(reference: str, path: str, root: Path, output: BinaryIO) -> None:
    inner = _absolute(path)
    with View(root, reference) as view:
        resolved = view.resolve(inner) if path.endswith(("/", "/.")) else inner
        with view.holder(resolved) as (directory, entry):
            tarring.pack(directory, entry, _entry_name(inner), output)


def _unpack(reference: str, root: Path, path: str, into: Callable[[int], None]) -> None:
    with View(root, reference) as view:
        resolved = view.resolve(_absolute(path))
        if not stat.S_ISDIR(view.status(resolved).st_mode):
            raise InvalidParameter("extraction point is not a directory")
        with view.directory(resolved) as directory:
            into(directory)


def _owner(root: Path, container: Container) -> tuple[int, int]:
    """Return the user and group that the container's process has."""
    found = identity.look_up(root, str(container.config.get("User") or ""))
    return found.uid, found.gid


def _export(root: Path, output: BinaryIO) -> None:
    """Pack all that is below the root."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        tarring.pack(descriptor, ".", "", output)
    finally:
        os.close(descriptor)


def _absolute(path: str) -> str:
    """Return the path cleaned as Go does, a final "/" or "/." kept."""
    if not path:
        raise InvalidParameter("bad parameter: path cannot be empty")
    tail = "/." if path.endswith("/.") else "/" if path.endswith("/") else ""
    return _clean(path) + tail


def _entry_name(path: str) -> str:
    """Return the name of the archive's first entry: the last element of the path as asked for."""
    if path.endswith("/."):
        return "."
    return posixpath.basename(path.rstrip("/")) or "/"


def _path_stat(view: View, path: str, asked: str) -> PathStat:
    resolved = view.resolve(path) if asked.endswith(("/", "/.")) else path
    status = view.status(resolved)
    target = ""
    if stat.S_ISLNK(status.st_mode):
        try:
            target = _clean(view.resolve(path))
        except NotFound:
            with view.holder(path) as (directory, name):
                target = os.readlink(name, dir_fd=directory)
    if asked.endswith("/") and not stat.S_ISDIR(status.st_mode):
        raise InvalidParameter(f"{asked} is not a directory")
    return PathStat(
        posixpath.basename(_clean(asked)) or "/",
        status.st_size,
        go_mode(status.st_mode),
        rfc3339(status.st_mtime_ns),
        target,
    )


def _clean(path: str) -> str:
    return "/" + posixpath.normpath(path).lstrip("/")


def _refuse_read_only(container: Container, path: str) -> None:
    inside = [p for p in container.mounts if (_clean(path) + "/").startswith(p.destination.rstrip("/") + "/")]
    if inside:
        if max(inside, key=lambda p: len(p.destination)).read_only:
            raise Forbidden("mounted volume is marked read-only")
    elif container.host_config.get("ReadonlyRootfs"):
        raise Forbidden("container rootfs is marked read-only")
