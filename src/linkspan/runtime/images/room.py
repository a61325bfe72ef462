"""Room on the disk, watched while strangers' archives are written: none of them, a bomb or not, fills it."""

from __future__ import annotations

import os

from linkspan.model.errors import LinkspanError

_STEP = 16 * 1024 * 1024
_ENTRIES = 1000
_RESERVE = 1024**3
_SHARE = 100
"""A hundredth of the disk, at most 1 GiB, is left for everybody else; as many of its files."""


class Room:
    """What is left of one file system; asked anew after some bytes or entries have been written."""

    def __init__(self, descriptor: int) -> None:
        """`descriptor` is any open file or directory there."""
        self._descriptor = descriptor
        self._bytes = _STEP
        self._entries = _ENTRIES

    def take(self, size: int = 0, entries: int = 0) -> None:
        """Say what is about to be written; raises LinkspanError if there is no room for it."""
        self._bytes += size
        self._entries += entries
        if self._bytes < _STEP and self._entries < _ENTRIES:
            return
        self._bytes = self._entries = 0
        found = os.fstatvfs(self._descriptor)
        reserve = min(_RESERVE, found.f_blocks * found.f_frsize // _SHARE)
        if found.f_bavail * found.f_frsize < reserve + max(size, _STEP):
            raise LinkspanError(
                "no space left on device: unpacking would leave less than"
                f" {max(reserve >> 20, 1)} MiB of the disk free"
            )
        if found.f_files and found.f_favail < found.f_files // _SHARE:
            raise LinkspanError("no space left on device: unpacking would use up the file system's inodes")
