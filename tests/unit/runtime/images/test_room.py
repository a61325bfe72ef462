"""Room: what does not fit is refused before it is written, and looks cost little."""

from __future__ import annotations

import os

import pytest

from linkspan.model.errors import LinkspanError
from linkspan.runtime.images.room import Room


def test_what_does_not_fit_is_refused(tmp_path):
    found = os.statvfs(tmp_path)
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        room = Room(descriptor)
        room.take(1)
        with pytest.raises(LinkspanError, match="no space left on device: unpacking would leave less than"):
            room.take(found.f_bavail * found.f_frsize)
    finally:
        os.close(descriptor)


def test_the_disk_is_asked_at_intervals():
    room = Room(-1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        room.take(1)
    for _ in range(999):
        room.take(1, entries=1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        room.take(entries=1)
