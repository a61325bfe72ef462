"""A layer's tar becomes an overlay lower directory: whiteouts converted, owners, modes, times, xattrs kept.

Sources: OCI image specification "layer.md" (whiteouts), the kernel's overlayfs document (a whiteout is a
character device 0:0, an opaque directory has trusted.overlay.opaque=y), Docker's pkg/archive for what an
archive may contain.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
import tarfile
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import BinaryIO, cast

from linkspan.model.errors import InvalidParameter
from linkspan.runtime.images import confined
from linkspan.runtime.images.blobs import CHUNK, Flag, Interrupted, Readable
from linkspan.runtime.images.confined import ConfinedDirectory, components
from linkspan.runtime.images.room import Room

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
OVERLAY_OPAQUE = "trusted.overlay.opaque"
XATTR = "SCHILY.xattr."
log = logging.getLogger(__name__)
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class HashingReader:
    """Passes bytes on, hashes and counts them, and stops with Interrupted when `cancelled` is turned."""

    def __init__(
        self, source: Readable, cancelled: Flag | None = None, progress: Callable[[int], None] | None = None
    ) -> None:
        self._source = source
        self._cancelled = cancelled
        self._progress = progress
        self._digest = hashlib.sha256()
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; b"" at the end."""
        if self._cancelled is not None and self._cancelled.is_set():
            raise Interrupted("the client has gone")
        data = self._source.read(size)
        self._digest.update(data)
        self.count += len(data)
        if self._progress is not None:
            self._progress(self.count)
        return data

    def drain(self) -> None:
        """Read what is behind the archive's end mark."""
        while self.read(CHUNK):
            pass

    @property
    def digest(self) -> str:
        """The digest of all that was read."""
        return f"sha256:{self._digest.hexdigest()}"


def unpack(stream: Readable, target: Path) -> int:
    """Unpack a plain layer tar into the empty directory `target`; returns the bytes of its regular files.

    Nothing outside of `target` is read or written, whatever the archive says. Raises InvalidParameter for an
    archive that is damaged or tries to.
    """
    with ConfinedDirectory(target) as directory:
        unpacker = _Unpacker(directory)
        try:
            unpacker.run(stream)
        except (tarfile.TarError, EOFError) as error:
            raise InvalidParameter(f"damaged layer archive: {error}") from error
        return unpacker.size


class _Unpacker:
    def __init__(self, directory: ConfinedDirectory) -> None:
        self._directory = directory
        self._room = Room(directory.descriptor)
        self._times: list[tuple[list[str], int]] = []
        self.size = 0

    def run(self, stream: Readable) -> None:
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|", bufsize=CHUNK) as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]
                self._room.take(entries=1)
                self._entry(archive, member)
        self._set_directory_times()

    def _entry(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = components(member.name)
        if not parts:
            self._root(member)
        elif parts[-1].startswith(WHITEOUT):
            self._whiteout(parts)
        elif not any(part.startswith(".wh..wh.") for part in parts):
            try:
                self._create(archive, member, parts)
            except OSError as error:
                reason = error.strerror or str(error)
                raise InvalidParameter(f"failed to unpack {member.name!r}: {reason}") from error

    def _root(self, member: tarfile.TarInfo) -> None:
        if not member.isdir():
            raise InvalidParameter(f"invalid archive: {member.name!r} would replace the root")
        parent = self._directory.parent(["."])
        _set_owner_and_mode(parent, ".", member)
        _set_xattrs(confined.entry_path(parent, "."), member)
        self._times.append((["."], _mtime(member)))

    def _create(self, archive: tarfile.TarFile, member: tarfile.TarInfo, parts: list[str]) -> None:
        name = parts[-1]
        parent = self._directory.parent(parts)
        hides = self._clear(parent, name, member)
        if member.isdir():
            self._make_directory(parent, name, hides)
            self._times.append((parts, _mtime(member)))
        elif member.isreg():
            self._file(archive, member, parent, name)
            return
        elif member.islnk():
            self._hard_link(member, parent, name)
            return
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=parent)
        elif member.ischr() or member.isblk() or member.isfifo():
            _make_node(member, parent, name)
        else:
            raise InvalidParameter(f"unhandled tar header type {member.type!r} of {member.name!r}")
        _set_owner_and_mode(parent, name, member)
        _set_xattrs(confined.entry_path(parent, name), member)
        if not member.isdir():
            os.utime(name, ns=(_mtime(member),) * 2, dir_fd=parent, follow_symlinks=False)

    def _clear(self, parent: int, name: str, member: tarfile.TarInfo) -> bool:
        """Make room for an entry; returns whether a whiteout was there (a directory must then be opaque)."""
        found = confined.status(parent, name)
        if found is None or (stat.S_ISDIR(found.st_mode) and member.isdir()):
            return False
        confined.remove(parent, name, found)
        return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0

    def _make_directory(self, parent: int, name: str, opaque: bool) -> None:
        if confined.status(parent, name) is None:
            os.mkdir(name, 0o700, dir_fd=parent)
        if opaque:
            os.setxattr(confined.entry_path(parent, name), OVERLAY_OPAQUE, b"y", follow_symlinks=False)

    def _file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str) -> None:
        source = archive.extractfile(member)
        if source is None:
            raise InvalidParameter(f"damaged layer archive: {member.name!r} has no content")
        descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        with os.fdopen(descriptor, "wb", buffering=0) as target, source:
            while chunk := source.read(CHUNK):
                self._room.take(len(chunk))
                target.write(chunk)
            os.fchown(descriptor, member.uid, member.gid)
            os.fchmod(descriptor, member.mode & 0o7777)
            _set_xattrs(descriptor, member)
            os.utime(descriptor, ns=(_mtime(member),) * 2)
        self.size += member.size

    def _hard_link(self, member: tarfile.TarInfo, parent: int, name: str) -> None:
        target = components(member.linkname)
        if not target:
            raise InvalidParameter(f"invalid hardlink {member.name!r} -> {member.linkname!r}")
        holder = self._directory.open_parent(target)
        try:
            os.link(target[-1], name, src_dir_fd=holder, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(holder)

    def _whiteout(self, parts: list[str]) -> None:
        parent = self._directory.parent(parts)
        name = parts[-1].removeprefix(WHITEOUT)
        if parts[-1] == OPAQUE:
            os.setxattr(confined.entry_path(parent, "."), OVERLAY_OPAQUE, b"y")
            return
        if name.startswith(WHITEOUT):
            return
        if name in ("", ".", ".."):
            raise InvalidParameter(f"invalid whiteout {parts[-1]!r}")
        found = confined.status(parent, name)
        if found is None:
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        elif stat.S_ISDIR(found.st_mode):
            os.setxattr(confined.entry_path(parent, name), OVERLAY_OPAQUE, b"y", follow_symlinks=False)

    def _set_directory_times(self) -> None:
        """Directories get their times last, since each new entry changes that of its directory."""
        for parts, moment in reversed(self._times):
            parent = self._directory.parent(parts)
            os.utime(parts[-1], ns=(moment, moment), dir_fd=parent, follow_symlinks=False)


def _make_node(member: tarfile.TarInfo, parent: int, name: str) -> None:
    kind = stat.S_IFIFO if member.isfifo() else stat.S_IFCHR if member.ischr() else stat.S_IFBLK
    device = 0 if member.isfifo() else os.makedev(member.devmajor, member.devminor)
    os.mknod(name, kind | 0o600, device, dir_fd=parent)


def _set_owner_and_mode(parent: int, name: str, member: tarfile.TarInfo) -> None:
    os.chown(name, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
    if not member.issym():
        os.chmod(name, member.mode & 0o7777, dir_fd=parent)


def _set_xattrs(target: str | int, member: tarfile.TarInfo) -> None:
    """Set the archive's extended attributes, but never those by which overlayfs would be led elsewhere."""
    for key, value in member.pax_headers.items():
        name = key.removeprefix(XATTR)
        if name == key or ".overlay." in name:
            continue
        content = value.encode("utf-8", "surrogateescape")
        try:
            os.setxattr(target, name, content, follow_symlinks=isinstance(target, int))
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise
            log.warning("the file system does not keep %s of %s: %s", name, member.name, error.strerror)


def _mtime(member: tarfile.TarInfo) -> int:
    """The modification time in nanoseconds; the pax record keeps digits that a float would lose."""
    text = member.pax_headers.get("mtime")
    if text:
        try:
            return int(Decimal(text) * 10**9)
        except InvalidOperation:
            raise InvalidParameter(f"damaged layer archive: mtime {text!r} of {member.name!r}") from None
    return int(member.mtime * 10**9)
