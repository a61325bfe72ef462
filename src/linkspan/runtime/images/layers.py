"""Unpacked layers: one directory per diff id, shared by every image that has the layer.

A layer's directory does not depend on the layers below it, so the diff id names it; the name is cut to 24 hex
digits because overlayfs takes all lower directories in one page of mount options.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from linkspan.model.errors import LinkspanError
from linkspan.runtime.images.blobs import Flag, checked
from linkspan.runtime.images.compression import plain
from linkspan.runtime.images.unpack import HashingReader, unpack

_NAME_DIGITS = 24
_UNFINISHED = ".unfinished-"
Progress = Callable[[int], None]


class LayerStore:
    """The directories under `root`/layers, each complete or absent, also after a crash."""

    def __init__(self, root: Path) -> None:
        self._root = root / "layers"
        self._root.mkdir(parents=True, exist_ok=True, mode=0o710)

    def path(self, diff_id: str) -> Path:
        """Where the layer is or would be: ready to be one of overlay's lower directories."""
        return self._root / checked(diff_id).removeprefix("sha256:")[:_NAME_DIGITS]

    def has(self, diff_id: str) -> bool:
        """Whether the layer is unpacked."""
        return self.path(diff_id).is_dir()

    def unpack(
        self, blob: Path, diff_id: str, cancelled: Flag | None = None, progress: Progress | None = None
    ) -> int:
        """Unpack the layer archive `blob` (compressed or not), which must not be unpacked already.

        Returns the bytes of its regular files. Raises InvalidParameter for a bad archive and LinkspanError
        when its content is not that of `diff_id`; nothing of it is left then.
        """
        if self.has(diff_id):
            raise LinkspanError(f"layer directory {self.path(diff_id).name} is there already")
        temporary = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._root))
        try:
            temporary.chmod(0o755)
            size = self._unpack(blob, diff_id, temporary, cancelled, progress)
            temporary.rename(self.path(diff_id))
        finally:
            _remove_tree(temporary)
        return size

    def _unpack(
        self, blob: Path, diff_id: str, target: Path, cancelled: Flag | None, progress: Progress | None
    ) -> int:
        with plain(blob) as stream:
            reader = HashingReader(stream, cancelled, progress)
            size = unpack(reader, target)
            reader.drain()
        if reader.digest != diff_id:
            raise LinkspanError(f"layer verification failed: its diff id is {reader.digest}, not {diff_id}")
        return size

    def remove(self, diff_id: str) -> None:
        """Remove the layer's directory; a missing one is no error."""
        path = self.path(diff_id)
        if path.is_dir():
            doomed = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._root))
            path.rename(doomed / "layer")
            _remove_tree(doomed)

    def sweep(self, known: Iterable[str]) -> None:
        """Remove what a killed daemon left: unfinished layers and those that no image has."""
        keep = {self.path(diff_id).name for diff_id in known}
        for entry in self._root.iterdir():
            if entry.name not in keep:
                _remove_tree(entry)


def _remove_tree(path: Path) -> None:
    if path.exists():
        path.chmod(0o700)
        shutil.rmtree(path)
