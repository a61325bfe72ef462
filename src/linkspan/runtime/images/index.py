"""Which images, names and layers are here: in memory what the store keeps, changed together with it.

Kinds of documents: "image" (id, layers, manifest, …), "reference" (full name → image id), "layer" (diff id →
blob and size).
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from linkspan.model import reference as references
from linkspan.model.errors import LinkspanError, NotFound
from linkspan.model.image import HistoryEntry, Image, LayerBlob
from linkspan.model.reference import Reference
from linkspan.runtime.images.blobs import BlobStore
from linkspan.runtime.images.documents import Documents
from linkspan.runtime.images.layers import LayerStore


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of an image beside its configuration blob.

    `manifest` is the digest of the manifest it came with, if all of that is here. A `hidden` image was
    removed while a container still needed its layers.
    """

    id: str
    layers: tuple[str, ...] = ()
    manifest: str = ""
    parent: str = ""
    tagged: str = ""
    hidden: bool = False


class Index:
    """Images by id and name, with their layers counted; every method is safe in any thread."""

    def __init__(self, documents: Documents, blobs: BlobStore, layers: LayerStore) -> None:
        self.lock = threading.RLock()
        self._documents = documents
        self._blobs = blobs
        self._layer_store = layers
        self._pinned: Counter[str] = Counter()
        self._images: dict[str, Image] = {}
        self._records = {d["id"]: _record(d) for d in documents.all("image")}
        self._references = {d["reference"]: str(d["image"]) for d in documents.all("reference")}
        self._layers = {d["diff_id"]: LayerBlob(**d) for d in documents.all("layer")}
        self._sweep()

    def _sweep(self) -> None:
        """Drop what a killed daemon left half-done: layers without image, files without layer."""
        for diff_id in [d for d in self._layers if not self._wanted(d)]:
            self._forget_layer(diff_id)
        self._layer_store.sweep(self._layers)
        known = {layer.digest for layer in self._layers.values()} | set(self._records)
        known |= {record.manifest for record in self._records.values()}
        for digest in [d for d in self._blobs.digests() if d not in known]:
            self._blobs.remove(digest)

    # -- looking up ------------------------------------------------------------------------------------------

    def find(self, text: str) -> Image:
        """The image that a name, digest, id or unique id prefix means. Raises NotFound, InvalidParameter."""
        with self.lock:
            identifier = text if text.startswith("sha256:") else f"sha256:{text}"
            if references.is_digest(identifier):
                if identifier in self._visible():
                    return self.image(identifier)
                raise NotFound(f"No such image: {identifier}")
            reference = references.parse(text).with_default_tag()
            found = self.lookup(reference) or self._by_prefix(text)
            if found is None:
                raise NotFound(f"No such image: {reference.familiar}")
            return self.image(found)

    def lookup(self, reference: Reference) -> str | None:
        """The id of the image that has exactly this name (a digest counts more than a tag)."""
        key = replace(reference, tag="") if reference.digest else reference.with_default_tag()
        return self._references.get(str(key))

    def lookup_any(self, text: str) -> str | None:
        """An image that `text` names, also as a whole repository; None for an id and when unknown."""
        if references.is_digest(text) or references.is_digest(f"sha256:{text}"):
            return None
        reference = references.parse(text)
        tags = [] if reference.tag or reference.digest else self.repository(reference.repository)
        return self.lookup(reference) or (self.lookup(tags[0]) if tags else None)

    def repository(self, repository: str) -> list[Reference]:
        """The tags that a repository has here."""
        with self.lock:
            names = [references.parse(name) for name in self._references if name.startswith(repository)]
            return sorted(name for name in names if name.repository == repository and name.tag)

    def _by_prefix(self, text: str) -> str | None:
        prefix = text.removeprefix("sha256:")
        found = [id for id in self._visible() if id.removeprefix("sha256:").startswith(prefix)]
        return found[0] if len(found) == 1 else None

    def _visible(self) -> dict[str, Record]:
        return {id: record for id, record in self._records.items() if not record.hidden}

    def images(self) -> list[Image]:
        """Every image that was not removed."""
        with self.lock:
            return [self.image(id) for id in self._visible()]

    def image(self, id: str) -> Image:
        """The image of a full id that is known to be here."""
        with self.lock:
            if id not in self._images:
                self._images[id] = self._build(self._records[id])
            return self._images[id]

    def record(self, id: str) -> Record:
        """What is kept of the image `id`."""
        with self.lock:
            return self._records[id]

    def layer(self, diff_id: str) -> LayerBlob | None:
        """The layer of a diff id, if it is here."""
        return self._layers.get(diff_id)

    def layer_by_digest(self, digest: str) -> LayerBlob | None:
        """The layer that came as the blob `digest`, if it is here."""
        with self.lock:
            return next((layer for layer in self._layers.values() if layer.digest == digest), None)

    def names(self, id: str) -> list[Reference]:
        """Every name of an image, tags before digests."""
        with self.lock:
            found = [references.parse(name) for name, image in self._references.items() if image == id]
            return sorted(found, key=lambda name: (bool(name.digest), str(name)))

    def _build(self, record: Record) -> Image:
        config = json.loads(self._blobs.read(record.id))
        sizes = tuple(self._layers[diff_id].size for diff_id in record.layers)
        names = self.names(record.id)
        return replace(
            image_of_config(record.id, config),
            tags=tuple(name.familiar for name in names if not name.digest),
            digests=tuple(name.familiar for name in names if name.digest),
            size=sum(sizes),
            layer_sizes=sizes,
            parent=record.parent,
            tagged=record.tagged,
        )

    # -- changing --------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def pin(self, diff_ids: Sequence[str]) -> Iterator[None]:
        """Keep these layers from being removed meanwhile; afterwards those that no image wants go."""
        with self.lock:
            self._pinned.update(diff_ids)
        try:
            yield
        finally:
            with self.lock:
                self._pinned.subtract(diff_ids)
                for diff_id in set(diff_ids):
                    if diff_id in self._layers and not self._wanted(diff_id):
                        self._forget_layer(diff_id)

    def pinned(self, diff_ids: Sequence[str]) -> bool:
        """Whether somebody works with one of these layers."""
        with self.lock:
            return any(self._pinned[diff_id] > 0 for diff_id in diff_ids)

    def add_layer(self, layer: LayerBlob) -> None:
        """Remember a layer whose blob and directory are in place (while it is pinned)."""
        with self.lock:
            self._documents.put("layer", layer.diff_id, asdict(layer))
            self._layers[layer.diff_id] = layer

    def add_image(self, config: bytes, manifest: bytes = b"", parent: str = "") -> Image:
        """Remember an image whose layers are all here (and pinned); an image that is here stays as it is.

        Raises LinkspanError when a layer is missing.
        """
        with self.lock:
            id = self._blobs.add(config)
            layers = tuple(json.loads(config).get("rootfs", {}).get("diff_ids") or ())
            missing = [diff_id for diff_id in layers if diff_id not in self._layers]
            if missing:
                raise LinkspanError(f"layer {missing[0]} of image {id} is missing")
            old = self._records.get(id)
            kept = self._keep_manifest(manifest, layers) or (old.manifest if old else "")
            self._put(
                Record(id, layers, kept, parent or (old.parent if old else ""), old.tagged if old else "")
            )
            return self.image(id)

    def _keep_manifest(self, manifest: bytes, layers: Sequence[str]) -> str:
        """Keep a manifest only when every blob it names is here under that digest."""
        if not manifest:
            return ""
        named = [entry["digest"] for entry in json.loads(manifest).get("layers", ())]
        if named != [self._layers[diff_id].digest for diff_id in layers]:
            return ""
        return self._blobs.add(manifest)

    def _put(self, record: Record) -> None:
        self._documents.put("image", record.id, asdict(record))
        self._records[record.id] = record
        self._images.pop(record.id, None)

    def name(self, reference: Reference, id: str) -> str | None:
        """Let `reference` lead to the image `id`; returns the image it led to before, if another."""
        with self.lock:
            if id not in self._records:
                raise NotFound(f"No such image: {id}")
            before = self._references.get(str(reference))
            self._documents.put("reference", str(reference), {"reference": str(reference), "image": id})
            self._references[str(reference)] = id
            self._put(replace(self._records[id], tagged=datetime.now(UTC).isoformat()))
            if before is not None:
                self._images.pop(before, None)
            return before if before != id else None

    def unname(self, reference: Reference) -> None:
        """Forget a name."""
        with self.lock:
            self._documents.delete("reference", str(reference))
            id = self._references.pop(str(reference), None)
            if id is not None:
                self._images.pop(id, None)

    def hide(self, id: str) -> None:
        """Remove an image from sight, but keep its layers for the containers that use them."""
        with self.lock:
            self._put(replace(self._records[id], hidden=True))

    def forget(self, id: str) -> list[str]:
        """Forget a nameless image; returns the diff ids of the layers that went with it."""
        with self.lock:
            record = self._records.pop(id)
            self._images.pop(id, None)
            self._documents.delete("image", id)
            self._blobs.remove(id)
            if record.manifest and not any(r.manifest == record.manifest for r in self._records.values()):
                self._blobs.remove(record.manifest)
            doomed = [d for d in dict.fromkeys(record.layers) if not self._wanted(d)]
            for diff_id in doomed:
                self._forget_layer(diff_id)
            return doomed

    def hidden(self) -> list[str]:
        """The ids of the hidden images."""
        with self.lock:
            return [id for id, record in self._records.items() if record.hidden]

    def _wanted(self, diff_id: str) -> bool:
        return self._pinned[diff_id] > 0 or any(diff_id in record.layers for record in self._records.values())

    def _forget_layer(self, diff_id: str) -> None:
        layer = self._layers.pop(diff_id)
        self._documents.delete("layer", diff_id)
        self._layer_store.remove(diff_id)
        if not any(other.digest == layer.digest for other in self._layers.values()):
            self._blobs.remove(layer.digest)


def _record(document: Mapping[str, Any]) -> Record:
    return Record(**{**document, "layers": tuple(document["layers"])})


def image_of_config(id: str, document: Mapping[str, Any]) -> Image:
    """Read an image's configuration blob (Docker's and OCI's have the same fields)."""
    history = tuple(
        HistoryEntry(
            entry.get("created") or "",
            entry.get("created_by") or "",
            entry.get("author") or "",
            entry.get("comment") or "",
            bool(entry.get("empty_layer")),
        )
        for entry in document.get("history") or ()
    )
    return Image(
        id=id,
        created=document.get("created") or "",
        architecture=document.get("architecture") or "",
        variant=document.get("variant") or "",
        os=document.get("os") or "linux",
        author=document.get("author") or "",
        comment=document.get("comment") or "",
        config=document.get("config") or {},
        layers=tuple((document.get("rootfs") or {}).get("diff_ids") or ()),
        history=history,
    )
