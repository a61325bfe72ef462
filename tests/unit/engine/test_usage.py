"""What images share on the disk."""

from __future__ import annotations

from linkspan.engine.usage import shared_sizes
from linkspan.model.image import Image


def test_layers_are_shared_when_all_below_them_are() -> None:
    base = Image("base", layers=("a",), layer_sizes=(100,))
    derived = Image("derived", layers=("a", "b"), layer_sizes=(100, 7))
    other = Image("other", layers=("c", "b"), layer_sizes=(50, 7))
    assert shared_sizes([base, derived, other]) == {"base": 100, "derived": 100, "other": 0}
