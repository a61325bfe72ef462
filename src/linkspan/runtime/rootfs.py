"""Containers' root file systems: an image's layers with a writable one over them, by overlayfs.

Below the data root each container has `overlay/<id>/` with `diff` (its writable layer), `work` (overlayfs's
own), `merged` (the mount point) and `lower` (the layers' paths, topmost first). Source: the kernel's
Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from linkspan.model.errors import KernelError, LinkspanError
from linkspan.runtime import cgroups, changes, syscalls
from linkspan.runtime.changes import Change

# mount(2) takes one page of options, with a closing zero.
_PAGE = 4095
# Behave like Docker's: no inode index, and renaming a layer's directory gives EXDEV instead of a redirect.
_OPTIONS = "index=off,redirect_dir=off,metacopy=off"
_EMPTY = "empty"  # the lower directory of a root file system without layers
_SPECIAL = ":,\\"


class Overlay:
    """The root file systems below `data_root`; thread-safe for different containers."""

    def __init__(self, data_root: Path) -> None:
        """Prepare the directory."""
        self._root = data_root / "overlay"
        self._root.mkdir(parents=True, exist_ok=True, mode=0o710)

    def prepare(self, id: str, layers: Sequence[Path]) -> None:
        """Make the directories of a new root file system over `layers`, topmost first; none is fine."""
        place = self._root / id
        place.mkdir(mode=0o710)
        try:
            for name in ("diff", "work", "merged"):
                (place / name).mkdir(mode=0o755)
            (place / "lower").write_text(json.dumps([str(layer) for layer in layers]))
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def mount(self, id: str) -> Path:
        """Mount the root file system and return where; one that is mounted stays as it is.

        Raises KernelError, or LinkspanError when the data root's file system cannot hold an overlay.
        """
        merged = self.merged(id)
        if os.path.ismount(merged):
            return merged
        try:
            with ExitStack() as stack:
                syscalls.mount("overlay", str(merged), "overlay", 0, stack.enter_context(self._options(id)))
        except KernelError as error:
            raise self._explained(error) from error
        return merged

    def unmount(self, id: str) -> None:
        """Unmount; what a process still uses goes when that lets go of it. Not mounted is fine."""
        with suppress(FileNotFoundError):
            _unmount(self.merged(id))

    def remove(self, id: str) -> None:
        """Unmount, and remove the writable layer; missing is fine."""
        self.unmount(id)
        with suppress(FileNotFoundError):
            shutil.rmtree(self._root / id)

    def exists(self, id: str) -> bool:
        """Say whether there is a root file system of this id."""
        return (self._root / id / "lower").exists()

    def ids(self) -> list[str]:
        """Return the ids of all root file systems, of those too that were half made or half removed."""
        return sorted(entry.name for entry in self._root.iterdir() if entry.name != _EMPTY)

    def merged(self, id: str) -> Path:
        """Return the mount point."""
        return self._root / id / "merged"

    def upper(self, id: str) -> Path:
        """Return the writable layer."""
        return self._root / id / "diff"

    def layers(self, id: str) -> list[Path]:
        """Return the layers it was prepared with, topmost first."""
        return [Path(path) for path in json.loads((self._root / id / "lower").read_text())]

    def directories(self, id: str) -> dict[str, str]:
        """Return Docker's GraphDriver.Data: LowerDir, MergedDir, UpperDir, WorkDir."""
        return {
            "LowerDir": ":".join(str(layer) for layer in self.layers(id)),
            "MergedDir": str(self.merged(id)),
            "UpperDir": str(self.upper(id)),
            "WorkDir": str(self._root / id / "work"),
        }

    def size(self, id: str) -> int:
        """Return the bytes in the files of the writable layer, hard links counted once."""
        seen: dict[tuple[int, int], int] = {}
        for directory, _, names in os.walk(self.upper(id)):
            for name in names:
                with suppress(FileNotFoundError):
                    status = os.lstat(Path(directory, name))
                    seen[status.st_dev, status.st_ino] = status.st_size
        return sum(seen.values())

    def changes(self, id: str) -> list[Change]:
        """Return what the container changed in its image's files, as `docker diff` does."""
        return changes.compare(self.upper(id), self.layers(id))

    @contextmanager
    def _options(self, id: str) -> Iterator[str]:
        """Give the mount options, by path, or by descriptors of the layers where paths would not fit."""
        place, lower = self._root / id, self.layers(id) or [self._empty()]
        upper, work = place / "diff", place / "work"
        plain = _text(lower, upper, work)
        if len(plain) <= _PAGE and not any(set(_SPECIAL) & set(str(path)) for path in (*lower, upper)):
            yield plain
            return
        with ExitStack() as stack:
            short = [_by_descriptor(path, stack) for path in (*lower, upper, work)]
            options = _text(short[:-2], *short[-2:])
            if len(options) > _PAGE:
                raise LinkspanError(f"an image of {len(lower)} layers is too deep for overlayfs")
            yield options

    def _empty(self) -> Path:
        """Return a directory with nothing in it: overlayfs wants at least one layer below."""
        path = self._root / _EMPTY
        path.mkdir(exist_ok=True, mode=0o755)
        return path

    def _explained(self, error: KernelError) -> LinkspanError:
        kind = cgroups.mount_of(Path("/proc/self/mountinfo").read_text(), self._root.resolve()).kind
        if error.errno == errno.EINVAL and kind == "overlay":
            return LinkspanError(
                f"{self._root} lies on an overlay file system, which cannot carry another: "
                "choose a data root on ext4 or xfs with --data-root"
            )
        if error.errno == errno.ENODEV:
            return LinkspanError("the kernel has no overlayfs: load its module with `modprobe overlay`")
        return error


def _text(lower: Sequence[Path], upper: Path, work: Path) -> str:
    layers = ":".join(str(path) for path in lower)
    return f"lowerdir={layers},upperdir={upper},workdir={work},{_OPTIONS}"


def _by_descriptor(path: Path, stack: ExitStack) -> Path:
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY)
    stack.callback(os.close, descriptor)
    return Path(f"/proc/self/fd/{descriptor}")


def _unmount(path: Path) -> None:
    while os.path.ismount(path):
        try:
            syscalls.unmount(str(path))
        except KernelError as error:
            if error.errno != errno.EBUSY:
                raise
            syscalls.unmount(str(path), syscalls.MNT_DETACH)
