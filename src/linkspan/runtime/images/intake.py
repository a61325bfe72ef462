"""Bringing layers in: checked, unpacked and remembered, each once, whoever asks for it and how often."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from linkspan.model.image import LayerBlob
from linkspan.runtime.images.blobs import CHUNK, BlobStore, Flag, Readable, checked, digest_of_file
from linkspan.runtime.images.compression import GzipWriter, kind_of
from linkspan.runtime.images.index import Index
from linkspan.runtime.images.layers import LayerStore, Progress

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
            expected = checked(digest) if digest else digest_of_file(file, cancelled)
            stored = file.stat().st_size
            media_type = _media_type(file)
            size = self._layers.unpack(file, diff_id, cancelled, progress)
            try:
                self._blobs.adopt(file, expected, cancelled)
                layer = LayerBlob(diff_id, expected, media_type, stored, size)
                self._index.add_layer(layer)
            except BaseException:
                self._layers.remove(diff_id)
                raise
            return layer


def pack(stream: Readable, target: Path, cancelled: Flag | None = None) -> tuple[str, str]:
    """Write a plain tar stream as a gzip file; returns its diff id and the digest of the file."""
    return pack_with(lambda writer: _copy(stream, writer), target, cancelled)


def pack_with(
    produce: Callable[[GzipWriter], None], target: Path, cancelled: Flag | None = None
) -> tuple[str, str]:
    """Let `produce` write a plain tar, kept as a gzip file; returns its diff id and the file's digest."""
    with target.open("xb") as file:
        writer = GzipWriter(file, cancelled)
        produce(writer)
        return writer.finish()


def _copy(stream: Readable, writer: GzipWriter) -> None:
    while chunk := stream.read(CHUNK):
        writer.write(chunk)


def _media_type(file: Path) -> str:
    with file.open("rb") as stream:
        kind = kind_of(stream.read(8))
    return MEDIA_TYPES.get(kind, MEDIA_TYPES[""])
