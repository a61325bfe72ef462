"""What a container changed in its image: the writable layer compared with the layers below it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MODIFIED, ADDED, DELETED = 0, 1, 2
_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One path, absolute in the container; `kind` is Docker's number: 0 modified, 1 added, 2 deleted."""

    path: str
    kind: int


def compare(upper: Path, layers: Sequence[Path]) -> list[Change]:
    """Return the changes of `upper` over `layers` (topmost first), sorted by path.

    As in Docker a directory with something changed in it counts as modified; one that overlayfs copied up
    without a difference does not. Source: moby pkg/archive, OverlayChanges.
    """
    found: dict[str, int] = {}
    for path, status in _walk(upper):
        relative = path.relative_to(upper)
        below = look_up(relative, layers)
        if is_whiteout(status):
            if below is not None:
                found[f"/{relative}"] = DELETED
        elif below is None:
            found[f"/{relative}"] = ADDED
        elif not _same_directory(status, below) or _is_opaque(path):
            found[f"/{relative}"] = MODIFIED
    for path_text in list(found):
        for parent in Path(path_text).parents:
            if str(parent) != "/":
                found.setdefault(str(parent), MODIFIED)
    return sorted(Change(path, kind) for path, kind in found.items())


def look_up(relative: Path, layers: Sequence[Path]) -> os.stat_result | None:
    """Return the status of `relative` in the union of `layers`, without following links; None if absent."""
    for layer in layers:
        place, status, opaque = layer, None, False
        for part in relative.parts:
            place = place / part
            try:
                status = place.lstat()
            except (FileNotFoundError, NotADirectoryError):
                status = None
                break
            if is_whiteout(status):
                return None
            opaque = opaque or (place != layer / relative and _is_opaque(place))
        if status is not None:
            return status
        if opaque or _blocked(layer, relative):
            return None
    return None


def is_whiteout(status: os.stat_result) -> bool:
    """Say whether this is overlayfs's mark for "deleted": a character device 0:0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _blocked(layer: Path, relative: Path) -> bool:
    """Say whether a file in `layer` stands where `relative` has a directory: it hides what is below."""
    for parent in reversed(relative.parents):
        with suppress(FileNotFoundError, NotADirectoryError):
            if not stat.S_ISDIR((layer / parent).lstat().st_mode):
                return True
    return False


def _walk(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for entry in sorted(os.scandir(top), key=lambda entry: entry.name):
        status = entry.stat(follow_symlinks=False)
        yield Path(entry.path), status
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(Path(entry.path))


def _same_directory(one: os.stat_result, other: os.stat_result) -> bool:
    same = one.st_mode == other.st_mode and (one.st_uid, one.st_gid) == (other.st_uid, other.st_gid)
    return stat.S_ISDIR(one.st_mode) and same and one.st_mtime_ns == other.st_mtime_ns


def _is_opaque(path: Path) -> bool:
    for name in _OPAQUE:
        with suppress(OSError):
            if os.getxattr(path, name, follow_symlinks=False) == b"y":
                return True
    return False
