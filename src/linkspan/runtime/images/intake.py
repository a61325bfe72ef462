"""Bringing layers in: checked, unpacked and remembered, each once, whoever asks for it and how often."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from linkspan.model.errors import LinkspanError
from linkspan.model.image import LayerBlob
from linkspan.runtime.images.blobs import (
    CHUNK,
    BlobStore,
    Flag,
    Interrupted,
    checked,
    digest_of_file,
    link_or_copy,
    write_file,
)
from linkspan.runtime.images.compression import kind_of, plain
from linkspan.runtime.images.index import Index
from linkspan.runtime.images.layers import LayerStore, Progress
from linkspan.runtime.images.unpack import HashingReader

MEDIA_TYPES = {
    "": "application/vnd.oci.image.layer.v1.tar",
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}


class Intake:
    """Adds layers to the index; the caller pins their diff ids until an image has them."""

    def __init__(self, index: Index, blobs: BlobStore, layers: LayerStore) -> None:
        self._index = index
        self._blobs = blobs
        self._layers = layers
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def add(
        self,
        file: Path,
        diff_id: str,
        digest: str = "",
        cancelled: Flag | None = None,
        progress: Progress | None = None,
    ) -> LayerBlob:
        """Take the layer archive `file` (on the library's file system) unless its layer is here.

        `digest` is what the archive's own digest must be ("": any). Raises InvalidParameter for a hostile or
        damaged archive, LinkspanError when a digest is wrong; then nothing of it is left.
        """
        with self._locks[checked(diff_id)]:
            known = self._index.layer(diff_id)
            if known is not None:
                return known
            actual = digest_of_file(file, cancelled)
            if digest and actual != digest:
                raise LinkspanError(f"filesystem layer verification failed for digest {digest}: got {actual}")
            stored = file.stat().st_size
            media_type = _media_type(file)
            size = self._layers.unpack(file, diff_id, cancelled, progress)
            try:
                self._blobs.adopt(file, actual)
                layer = LayerBlob(diff_id, actual, media_type, stored, size)
                self._index.add_layer(layer)
            except BaseException:
                self._layers.remove(diff_id)
                raise
            return layer


class HashingWriter:
    """Writes bytes to a file and knows their digest. Raises Interrupted when the work was cancelled."""

    def __init__(self, target: BinaryIO, cancelled: Flag | None = None) -> None:
        self._target = target
        self._cancelled = cancelled
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        if self._cancelled is not None and self._cancelled.is_set():
            raise Interrupted("the client has gone")
        self._digest.update(data)
        return self._target.write(data)

    @property
    def digest(self) -> str:
        """The digest of what was written."""
        return f"sha256:{self._digest.hexdigest()}"


def produced(write: Callable[[HashingWriter], None], target: Path, cancelled: Flag | None = None) -> str:
    """Let `write` make a plain tar in the new file `target`; returns its diff id."""
    with target.open("xb") as file:
        writer = HashingWriter(file, cancelled)
        write(writer)
    return writer.digest


def prepared(archive: Path, target: Path, cancelled: Flag | None = None) -> str:
    """Make the new file `target` a layer's blob of an archive of any compression; returns its diff id.

    What registries take (plain, gzip, zstd) stays as it is; bzip2 and xz are unpacked. Nothing is compressed,
    which would take most of the time; pushing does that.
    """
    with archive.open("rb") as stream:
        kind = kind_of(stream.read(8))
    with plain(archive) as content:
        reader = HashingReader(content, cancelled)
        if kind in MEDIA_TYPES:
            link_or_copy(archive, target)
            reader.drain()
        else:
            write_file(target, iter(lambda: reader.read(CHUNK), b""))
    return reader.digest


def _media_type(file: Path) -> str:
    with file.open("rb") as stream:
        kind = kind_of(stream.read(8))
    return MEDIA_TYPES.get(kind, MEDIA_TYPES[""])
