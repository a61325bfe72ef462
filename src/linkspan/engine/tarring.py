"""Tar archives of a container's files: written from a directory descriptor, and unpacked below one.

No name, symbolic link or hard link in an archive leads out of the directory it is unpacked in.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from linkspan.model.errors import InvalidParameter
from linkspan.runtime.images import confined
from linkspan.runtime.images.confined import ConfinedDirectory, components
from linkspan.runtime.images.room import Room

CHUNK = 64 * 1024


def pack(directory: int, entry: str, name: str, output: BinaryIO, one_file_system: bool = False) -> None:
    """Write `entry` of the open `directory`, with all below it, as a tar whose first name is `name`.

    With `name` "" the entry itself is left out. Sockets are left out; hard links are kept.
    """
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        _Packer(archive).add(directory, entry, name)


class _Packer:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._links: dict[tuple[int, int], str] = {}

    def add(self, directory: int, entry: str, name: str) -> None:
        status = os.stat(entry, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISSOCK(status.st_mode):
            return
        if name:
            self._write(directory, entry, name, status)
        if stat.S_ISDIR(status.st_mode):
            self._children(directory, entry, name)

    def _children(self, directory: int, entry: str, name: str) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(entry, flags, dir_fd=directory)
        try:
            for child in sorted(entry.name for entry in os.scandir(descriptor)):
                self.add(descriptor, child, f"{name.rstrip('/')}/{child}" if name else child)
        finally:
            os.close(descriptor)

    def _write(self, directory: int, entry: str, name: str, status: os.stat_result) -> None:
        member = _member(name, status)
        if stat.S_ISLNK(status.st_mode):
            member.linkname = os.readlink(entry, dir_fd=directory)
        if member.isreg() and status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), name)
            if first != name:
                member.type, member.linkname, member.size = tarfile.LNKTYPE, first, 0
        if member.isreg():
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            with os.fdopen(os.open(entry, flags, dir_fd=directory), "rb") as content:
                member.size = os.fstat(content.fileno()).st_size
                self._archive.addfile(member, cast(BinaryIO, _Exactly(content, member.size)))
        else:
            self._archive.addfile(member)
        self._archive.members.clear()  # type: ignore[attr-defined]


class _Exactly:
    """Gives exactly `size` bytes of a file that may grow or shrink while it is read."""

    def __init__(self, content: BinaryIO, size: int) -> None:
        self._content = content
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._content.read(wanted)
        data += bytes(wanted - len(data))
        self._left -= wanted
        return data


def _member(name: str, status: os.stat_result) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(status.st_mode)
    member.uid, member.gid = status.st_uid, status.st_gid
    member.mtime = status.st_mtime_ns // 1_000_000_000
    member.type = _kind(status.st_mode)
    if member.ischr() or member.isblk():
        member.devmajor, member.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    return member


def _kind(mode: int) -> bytes:
    kinds = (
        (stat.S_ISDIR, tarfile.DIRTYPE),
        (stat.S_ISLNK, tarfile.SYMTYPE),
        (stat.S_ISCHR, tarfile.CHRTYPE),
        (stat.S_ISBLK, tarfile.BLKTYPE),
        (stat.S_ISFIFO, tarfile.FIFOTYPE),
    )
    return next((kind for test, kind in kinds if test(mode)), tarfile.REGTYPE)


class _Source:
    """A file object of a `read` function."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def read(self, size: int = CHUNK) -> bytes:
        return self._read(size)


def unpack(
    directory: int,
    read: Callable[[int], bytes],
    keep_directories: bool = False,
    owner: tuple[int, int] | None = None,
) -> None:
    """Unpack a tar (plain or compressed) below the open `directory`.

    With `keep_directories` an entry of another kind does not replace a directory, nor a directory another
    kind: InvalidParameter. All belongs to `owner` (uid, gid) if given, else to whom the archive says. Raises
    InvalidParameter for a damaged archive or one that leads outside.
    """
    with ConfinedDirectory(Path(f"/proc/self/fd/{directory}")) as root:
        unpacker = _Unpacker(root, keep_directories, owner)
        try:
            with tarfile.open(fileobj=cast(BinaryIO, _Source(read)), mode="r|*", bufsize=CHUNK) as archive:
                unpacker.run(archive)
        except (tarfile.TarError, EOFError) as error:
            raise InvalidParameter(f"damaged archive: {error}") from error
    while read(CHUNK):
        pass


class _Unpacker:
    def __init__(
        self, root: ConfinedDirectory, keep_directories: bool, owner: tuple[int, int] | None
    ) -> None:
        self._root = root
        self._room = Room(root.descriptor)
        self._keep_directories = keep_directories
        self._owner = owner
        self._times: list[tuple[list[str], float]] = []

    def run(self, archive: tarfile.TarFile) -> None:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]
            self._room.take(entries=1)
            names = components(member.name)
            if names:
                try:
                    self._entry(archive, member, names)
                except OSError as error:
                    raise InvalidParameter(f"unpacking {member.name}: {error.strerror}") from error
        self._root.forget()
        for names, moment in reversed(self._times):
            os.utime(names[-1], (moment, moment), dir_fd=self._root.parent(names), follow_symlinks=False)

    def _entry(self, archive: tarfile.TarFile, member: tarfile.TarInfo, names: list[str]) -> None:
        parent, name = self._root.parent(names), names[-1]
        self._clear(parent, name, member)
        if member.isdir():
            if confined.status(parent, name) is None:
                os.mkdir(name, 0o700, dir_fd=parent)
            self._times.append((names, member.mtime))
        elif member.isreg():
            self._file(archive, member, parent, name)
        elif member.islnk():
            self._hard_link(member, parent, name)
            return
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=parent)
        else:
            _node(member, parent, name)
        self._attributes(member, parent, name)

    def _clear(self, parent: int, name: str, member: tarfile.TarInfo) -> None:
        found = confined.status(parent, name)
        if found is None:
            return
        is_directory = stat.S_ISDIR(found.st_mode)
        if is_directory and member.isdir():
            return
        if self._keep_directories and is_directory and not member.isdir():
            raise InvalidParameter(f"cannot overwrite directory {member.name!r} with non-directory")
        if self._keep_directories and member.isdir():
            raise InvalidParameter(f"cannot overwrite non-directory {member.name!r} with directory")
        _refuse_mount(parent, name, member)
        self._root.forget()
        parent = self._root.parent(components(member.name))
        confined.remove(parent, name, found)

    def _file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str) -> None:
        source = archive.extractfile(member)
        if source is None:
            raise InvalidParameter(f"damaged archive: {member.name!r} has no content")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, 0o600, dir_fd=parent), "wb") as target, source:
            while chunk := source.read(CHUNK):
                self._room.take(len(chunk))
                target.write(chunk)

    def _hard_link(self, member: tarfile.TarInfo, parent: int, name: str) -> None:
        target = components(member.linkname)
        if not target:
            raise InvalidParameter(f"invalid hardlink {member.name!r} -> {member.linkname!r}")
        holder = self._root.open_parent(target)
        try:
            os.link(target[-1], name, src_dir_fd=holder, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(holder)

    def _attributes(self, member: tarfile.TarInfo, parent: int, name: str) -> None:
        """Give the entry its owner, mode and time, by descriptor: the container may exchange it meanwhile."""
        uid, gid = self._owner or (member.uid, member.gid)
        entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if stat.S_ISLNK(os.fstat(entry).st_mode) is not member.issym():
                raise InvalidParameter(f"{member.name!r} was exchanged while it was written")
            os.chown(f"/proc/self/fd/{entry}", uid, gid)
            if not member.issym():
                Path(f"/proc/self/fd/{entry}").chmod(member.mode & 0o7777)
        finally:
            os.close(entry)
        if not member.isdir():
            os.utime(name, (member.mtime, member.mtime), dir_fd=parent, follow_symlinks=False)


def _refuse_mount(parent: int, name: str, member: tarfile.TarInfo) -> None:
    """Refuse to replace a place of a mount: to unlink it would take the mount from the container."""
    entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if _mount_id(entry) != _mount_id(parent):
            raise OSError(errno.EBUSY, "device or resource busy", member.name)
    finally:
        os.close(entry)


def _mount_id(descriptor: int) -> str:
    """Return the number of the mount that a descriptor is on. Source: proc(5), fdinfo."""
    lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("mnt_id:"))


def _node(member: tarfile.TarInfo, parent: int, name: str) -> None:
    if not (member.isfifo() or member.ischr() or member.isblk()):
        raise InvalidParameter(f"unhandled tar header type {member.type!r} of {member.name!r}")
    kind = stat.S_IFIFO if member.isfifo() else stat.S_IFCHR if member.ischr() else stat.S_IFBLK
    device = 0 if member.isfifo() else os.makedev(member.devmajor, member.devminor)
    os.mknod(name, kind | 0o600, device, dir_fd=parent)
