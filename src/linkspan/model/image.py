"""Images as values: layers, history, what the library answers, and the filters of a listing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from linkspan.model import reference as references
from linkspan.model.errors import InvalidParameter
from linkspan.model.filters import Filters, labels_match, truth, until
from linkspan.model.timestamps import SECOND, parse_moment

LIST_FILTERS = ("dangling", "label", "before", "since", "reference", "until")
PRUNE_FILTERS = ("dangling", "label", "label!", "until")


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step that made an image; `empty_layer` steps only changed its configuration."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class LayerBlob:
    """One layer: `diff_id` of its tar, `digest` and `stored` bytes of its blob, `size` bytes unpacked."""

    diff_id: str
    digest: str
    media_type: str
    stored: int
    size: int


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is here. `config` is the configuration for containers (Env, Cmd, Labels, …).

    `tags` and `digests` are familiar references ("busybox:latest", "busybox@sha256:…"). `layers` are diff
    ids, lowest first, with `layer_sizes` (bytes unpacked) beside them. `created` and `tagged` are RFC 3339.
    """

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    created: str = ""
    architecture: str = ""
    variant: str = ""
    os: str = "linux"
    author: str = ""
    comment: str = ""
    size: int = 0
    parent: str = ""
    tagged: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    layer_sizes: tuple[int, ...] = ()
    history: tuple[HistoryEntry, ...] = ()

    @property
    def dangling(self) -> bool:
        """Whether no tag leads to this image."""
        return not self.tags

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the image's configuration."""
        return dict(self.config.get("Labels") or {})

    @property
    def created_at(self) -> int:
        """The creation time in ns since the epoch (0 when the image does not tell)."""
        return moment(self.created)


@dataclass(frozen=True, slots=True)
class ImageUse:
    """One container that needs an image: removal of the image is refused or deferred while it exists."""

    container_id: str
    image_id: str
    running: bool


@dataclass(frozen=True, slots=True)
class Removal:
    """One line of the answer to a removal: an untagged reference, or a deleted image or layer."""

    untagged: str = ""
    deleted: str = ""


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of `docker history`: `id` is "<missing>" for all but the newest step."""

    id: str
    created: int
    created_by: str
    tags: tuple[str, ...]
    size: int
    comment: str


def moment(text: str) -> int:
    """The moment that an image's RFC 3339 text tells, in ns since the epoch; 0 when it tells none."""
    try:
        return parse_moment(text)
    except InvalidParameter:
        return 0


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """The chain id of every layer: the digest that names a layer together with all below it.

    Source: the OCI image specification, section "Layer ChainID".
    """
    chain: list[str] = []
    for diff_id in diff_ids:
        text = f"{chain[-1]} {diff_id}" if chain else ""
        chain.append(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if chain else diff_id)
    return tuple(chain)


def history_lines(image: Image) -> list[HistoryLine]:
    """What `docker history` shows, newest first; sizes are those of the layers the steps made."""
    sizes = iter(image.layer_sizes)
    lines = [
        HistoryLine(
            id="<missing>",
            created=moment(entry.created) // SECOND,
            created_by=entry.created_by,
            tags=(),
            size=0 if entry.empty_layer else next(sizes, 0),
            comment=entry.comment,
        )
        for entry in image.history or _history_of_layers(image)
    ]
    if lines:
        last = lines[-1]
        lines[-1] = HistoryLine(image.id, last.created, last.created_by, image.tags, last.size, last.comment)
    return lines[::-1]


def select(images: Sequence[Image], filters: Filters, anchors: Mapping[str, Image], now: int) -> list[Image]:
    """The images that pass the `filters` of GET /images/json, newest first.

    `anchors` are the images that the values of `before` and `since` name; `now` (ns) serves relative times.
    Raises InvalidParameter for an unknown filter or a bad value.
    """
    for name in filters:
        if name not in LIST_FILTERS:
            raise InvalidParameter(f"invalid filter '{name}'")
    patterns = filters.get("reference", ())
    chosen = [_narrowed(image, patterns) for image in images if not patterns or _named(image, patterns)]
    dangling = truth(filters, "dangling")
    limit = until(filters, now)
    before = [anchors[name].created_at for name in filters.get("before", ())]
    since = [anchors[name].created_at for name in filters.get("since", ())]
    kept = [
        image
        for image in chosen
        if (dangling is None or image.dangling == dangling)
        and labels_match(image.labels, filters.get("label", ()))
        and all(image.created_at < other for other in before)
        and all(image.created_at > other for other in since)
        and (limit is None or image.created_at < limit)
    ]
    return sorted(kept, key=lambda image: image.created_at, reverse=True)


def _named(image: Image, patterns: Sequence[str]) -> bool:
    return any(_matching(text, patterns) for text in (*image.tags, *image.digests))


def _narrowed(image: Image, patterns: Sequence[str]) -> Image:
    """The image with only those names that a reference filter asked for, as Docker lists it."""
    if not patterns:
        return image
    tags = tuple(tag for tag in image.tags if _matching(tag, patterns))
    digests = tuple(digest for digest in image.digests if _matching(digest, patterns))
    return replace(image, tags=tags, digests=digests)


def _matching(text: str, patterns: Sequence[str]) -> bool:
    return any(references.matches(pattern, references.parse(text)) for pattern in patterns)


def _history_of_layers(image: Image) -> tuple[HistoryEntry, ...]:
    return tuple(HistoryEntry(created=image.created) for _ in image.layers)
