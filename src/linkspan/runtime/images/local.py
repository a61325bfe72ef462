"""Images made here: of a tar, of a container's changes, of bytes in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from linkspan.model.errors import InvalidParameter
from linkspan.model.image import Image
from linkspan.runtime.images.archive_load import machine
from linkspan.runtime.images.blobs import BlobStore, Flag
from linkspan.runtime.images.changes import apply_changes
from linkspan.runtime.images.index import Index
from linkspan.runtime.images.intake import HashingWriter, Intake, prepared, produced
from linkspan.runtime.images.pack import pack_upper

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What making an image needs of the library."""

    index: Index
    intake: Intake
    blobs: BlobStore


def imported(changes: Sequence[str], message: str, platform: str) -> Document:
    """The configuration of an imported image. Raises InvalidParameter for a bad change or platform."""
    system, _, rest = (platform or f"linux/{machine()}").partition("/")
    architecture, _, variant = rest.partition("/")
    if system != "linux":
        raise InvalidParameter(f'operating system "{system}" is not supported')
    now = _now()
    comment = message or "Imported from -"
    return {
        "architecture": architecture or machine(),
        **({"variant": variant} if variant else {}),
        "comment": comment,
        "config": apply_changes({}, changes),
        "created": now,
        "history": [{"created": now, "comment": comment}],
        "os": system,
        "rootfs": {"type": "layers", "diff_ids": []},
    }


def committed(
    base: Mapping[str, Any],
    config: Mapping[str, Any],
    changes: Sequence[str],
    author: str,
    comment: str,
    container: str,
) -> Document:
    """The configuration of a committed image: that of `base` with one more step."""
    now = _now()
    step: Document = {"created": now, "created_by": " ".join(config.get("Cmd") or ())}
    step.update({key: text for key, text in (("author", author), ("comment", comment)) if text})
    inherited = ("architecture", "variant", "os", "os.version", "os.features")
    return {
        **{key: base[key] for key in inherited if key in base},
        "author": author,
        "comment": comment,
        "container": container,
        "config": apply_changes(config, changes),
        "created": now,
        "history": [*(base.get("history") or ()), step],
        "rootfs": {"type": "layers", "diff_ids": list((base.get("rootfs") or {}).get("diff_ids") or ())},
    }


def from_archive(context: Context, file: Path, config: Document, cancelled: Flag | None) -> Image:
    """An image whose only layer is the archive `file`, compressed or not."""
    return _make(context, config, lambda target: prepared(file, target, cancelled), None, cancelled)


def from_bytes(context: Context, layer: bytes, config: Document) -> Image:
    """An image whose only layer is the plain tar `layer`."""

    def write(writer: HashingWriter) -> None:
        writer.write(layer)

    return _make(context, config, lambda target: produced(write, target), None, None)


def from_upper(context: Context, upper: Path, config: Document, parent: Image) -> Image:
    """An image of `parent`'s layers with the overlay upper directory `upper` on top."""

    def write(writer: HashingWriter) -> None:
        pack_upper(upper, writer)

    return _make(context, config, lambda target: produced(write, target), parent, None)


def _make(
    context: Context,
    config: Document,
    produce: Callable[[Path], str],
    parent: Image | None,
    cancelled: Flag | None,
) -> Image:
    with context.blobs.workspace() as workspace:
        file = workspace / "layer"
        diff_id = produce(file)
        diff_ids = [*config["rootfs"]["diff_ids"], diff_id]
        with context.index.pin(diff_ids):
            context.intake.add(file, diff_id, cancelled=cancelled)
            document = {**config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
            content = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
            return context.index.add_image(content, parent=parent.id if parent else "")


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
