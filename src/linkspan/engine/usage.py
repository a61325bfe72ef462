"""What images share on the disk, for `docker system df` (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from linkspan.model.image import Image


def shared_sizes(images: Sequence[Image]) -> Mapping[str, int]:
    """Return per image id the bytes of its layers that other images have too.

    Layers are the same when all below them are. Source: moby layer store, reference counts of chain ids.
    """
    holders = Counter(chain for image in images for chain, _ in _chains(image))
    return {image.id: sum(_shared(image, holders)) for image in images}


def _shared(image: Image, holders: Mapping[tuple[str, ...], int]) -> Iterable[int]:
    return (size for chain, size in _chains(image) if holders[chain] > 1)


def _chains(image: Image) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield every layer as (it and all below it, its bytes)."""
    for place, size in enumerate(image.layer_sizes):
        yield image.layers[: place + 1], size
