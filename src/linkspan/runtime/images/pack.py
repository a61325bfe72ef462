"""An overlay upper directory becomes a layer tar: overlay's whiteouts are written as OCI ones.

Sources: the kernel's overlayfs document and the OCI image specification "layer.md".
"""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path
from typing import BinaryIO, cast

from linkspan.runtime.images.intake import HashingWriter
from linkspan.runtime.images.unpack import OPAQUE, OVERLAY_OPAQUE, WHITEOUT, XATTR


def pack_upper(upper: Path, writer: HashingWriter) -> None:
    """Write all that is below `upper` as a tar: names sorted, sockets left out, hard links kept.

    The upper directory is the daemon's own; names are walked by descriptor and no link is followed.
    """
    with tarfile.open(fileobj=cast(BinaryIO, writer), mode="w|", format=tarfile.PAX_FORMAT) as archive:
        _Packer(archive).directory(upper, "")


class _Packer:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._links: dict[tuple[int, int], str] = {}

    def directory(self, path: Path, prefix: str) -> None:
        if prefix and _xattr(path, OVERLAY_OPAQUE) == b"y":
            self._archive.addfile(_empty(f"{prefix}{OPAQUE}"))
        for entry in sorted(os.scandir(path), key=lambda item: item.name):
            self._entry(Path(entry.path), f"{prefix}{entry.name}", entry.stat(follow_symlinks=False))
            self._archive.members.clear()  # type: ignore[attr-defined]

    def _entry(self, path: Path, name: str, status: os.stat_result) -> None:
        if stat.S_ISSOCK(status.st_mode):
            return
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            holder, slash, last = name.rpartition("/")
            self._archive.addfile(_empty(f"{holder}{slash}{WHITEOUT}{last}"))
            return
        member = self._member(path, name, status)
        if member.isreg():
            with path.open("rb") as content:
                self._archive.addfile(member, content)
        else:
            self._archive.addfile(member)
        if member.isdir():
            self.directory(path, f"{name}/")

    def _member(self, path: Path, name: str, status: os.stat_result) -> tarfile.TarInfo:
        member = tarfile.TarInfo(name)
        member.mode, member.uid, member.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
        member.mtime = status.st_mtime_ns // 10**9
        member.pax_headers = {"mtime": f"{status.st_mtime_ns // 10**9}.{status.st_mtime_ns % 10**9:09d}"}
        member.pax_headers.update(_attributes(path))
        first = self._links.setdefault((status.st_dev, status.st_ino), name)
        if stat.S_ISDIR(status.st_mode):
            member.type = tarfile.DIRTYPE
        elif first != name:
            member.type, member.linkname = tarfile.LNKTYPE, first
        elif stat.S_ISLNK(status.st_mode):
            member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            member.size = status.st_size
        else:
            _describe_node(member, status)
        return member


def _describe_node(member: tarfile.TarInfo, status: os.stat_result) -> None:
    if stat.S_ISFIFO(status.st_mode):
        member.type = tarfile.FIFOTYPE
        return
    member.type = tarfile.CHRTYPE if stat.S_ISCHR(status.st_mode) else tarfile.BLKTYPE
    member.devmajor, member.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)


def _attributes(path: Path) -> dict[str, str]:
    """The extended attributes of an entry, without overlayfs's own."""
    return {
        f"{XATTR}{name}": os.getxattr(path, name, follow_symlinks=False).decode("utf-8", "surrogateescape")
        for name in os.listxattr(path, follow_symlinks=False)
        if ".overlay." not in name
    }


def _xattr(path: Path, name: str) -> bytes:
    present = name in os.listxattr(path, follow_symlinks=False)
    return os.getxattr(path, name, follow_symlinks=False) if present else b""


def _empty(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = 0o600
    return member
