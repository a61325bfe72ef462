"""Parts of volumes (`volume-subpath`): directories or files of a volume, mounted where no link can move them.

The part is looked up as inside the volume and bound by descriptor to a place of ours, which is what the
runtime mounts: whatever the volume's users do meanwhile, the container gets nothing outside of the volume.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from linkspan.model.errors import InvalidParameter, KernelError
from linkspan.runtime import syscalls


def hold(places: Path, name: str, volume: Path, subpath: str) -> Path:
    """Mount `subpath` of `volume` at `places`/`name` and return that.

    Raises InvalidParameter for a path that is not in the volume, KernelError.
    """
    top = os.open(volume, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        part = syscalls.open_in_root(top, subpath, os.O_PATH)
    except OSError as error:
        raise InvalidParameter(f"cannot access path {volume}/{subpath}: {error.strerror}") from error
    finally:
        os.close(top)
    try:
        places.mkdir(parents=True, exist_ok=True, mode=0o711)
        target = places / name
        if stat.S_ISDIR(os.fstat(part).st_mode):
            target.mkdir(exist_ok=True)
        else:
            target.touch()
        flags = syscalls.MS_BIND | syscalls.MS_REC
        syscalls.mount(f"/proc/self/fd/{part}", str(target), flags=flags)
    finally:
        os.close(part)
    return target


def release(places: Path) -> None:
    """Unmount every part below `places` and remove the places; none is fine."""
    if not places.is_dir():
        return
    for place in places.iterdir():
        with suppress(KernelError):
            while True:
                syscalls.unmount(str(place), syscalls.MNT_DETACH)
        # What is still mounted here cannot be removed: nothing of the volume is in danger.
        if place.is_dir():
            place.rmdir()
        else:
            place.unlink()
    places.rmdir()
