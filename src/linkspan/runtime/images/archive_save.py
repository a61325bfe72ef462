"""Writing image archives that both `docker load` and OCI tools read, piece by piece and without copies.

The blobs are those that came with the images, so ids and digests stay what they were. Source: the archives
of Docker 25 and newer, which are OCI layouts with a manifest.json.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linkspan.model.image import Image, LayerBlob
from linkspan.model.reference import Reference
from linkspan.runtime.images.blobs import BlobStore, chunks, digest_of

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class SavedImage:
    """One image to save: with its layers, its manifest and the names that shall be saved."""

    image: Image
    layers: tuple[LayerBlob, ...]
    manifest: bytes
    names: tuple[Reference, ...] = ()


def manifest_of(image: Image, config_size: int, layers: Sequence[LayerBlob]) -> bytes:
    """A manifest for an image that came without one; the same for the same image."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": image.id, "size": config_size},
        "layers": [
            {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.stored} for layer in layers
        ],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def save(images: Sequence[SavedImage], blobs: BlobStore) -> Iterator[bytes]:
    """The bytes of the archive."""
    yield from _directory("blobs/")
    yield from _directory("blobs/sha256/")
    yield from _blobs(images, blobs)
    yield from _document("index.json", _index(images))
    yield from _document("manifest.json", [_entry(saved) for saved in images])
    yield from _document("oci-layout", {"imageLayoutVersion": "1.0.0"})
    yield from _document("repositories", _repositories(images))
    yield bytes(2 * _BLOCK)


def _blobs(images: Sequence[SavedImage], blobs: BlobStore) -> Iterator[bytes]:
    written: set[str] = set()
    for saved in images:
        for digest in (saved.image.id, *(layer.digest for layer in saved.layers)):
            if digest not in written:
                written.add(digest)
                path = blobs.path(digest)
                yield from _file(_path(digest), path.stat().st_size, chunks(path))
        digest = digest_of(saved.manifest)
        if digest not in written:
            written.add(digest)
            yield from _file(_path(digest), len(saved.manifest), iter((saved.manifest,)))


def _index(images: Sequence[SavedImage]) -> Mapping[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [entry for saved in images for entry in _descriptors(saved)],
    }


def _descriptors(saved: SavedImage) -> Iterator[dict[str, Any]]:
    descriptor = {
        "mediaType": json.loads(saved.manifest).get("mediaType", MANIFEST_TYPE),
        "digest": digest_of(saved.manifest),
        "size": len(saved.manifest),
    }
    for name in saved.names:
        notes = {"io.containerd.image.name": str(name), "org.opencontainers.image.ref.name": name.tag}
        yield {**descriptor, "annotations": notes}
    if not saved.names:
        yield descriptor


def _entry(saved: SavedImage) -> dict[str, Any]:
    return {
        "Config": _path(saved.image.id),
        "RepoTags": [name.familiar for name in saved.names] or None,
        "Layers": [_path(layer.digest) for layer in saved.layers],
    }


def _repositories(images: Sequence[SavedImage]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for saved in images:
        for name in saved.names:
            top = saved.layers[-1].digest if saved.layers else saved.image.id
            found.setdefault(name.familiar_name, {})[name.tag] = top.removeprefix("sha256:")
    return found


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _document(name: str, content: Any) -> Iterator[bytes]:
    data = json.dumps(content, separators=(",", ":")).encode()
    return _file(name, len(data), iter((data,)))


def _file(name: str, size: int, content: Iterator[bytes]) -> Iterator[bytes]:
    member = tarfile.TarInfo(name)
    member.size = size
    yield member.tobuf()
    yield from content
    yield bytes(-size % _BLOCK)


def _directory(name: str) -> Iterator[bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    yield member.tobuf()
