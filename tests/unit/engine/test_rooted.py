"""Paths inside a root."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkspan.engine.rooted import inside
from linkspan.model.errors import InvalidParameter


def test_links_stay_inside(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "abs").symlink_to("/d")
    (tmp_path / "up").symlink_to("../../../d")
    assert inside(tmp_path, "/abs/x") == tmp_path / "d" / "x"
    assert inside(tmp_path, "up") == tmp_path / "d"
    assert inside(tmp_path, "/up", follow_last=False) == tmp_path / "up"
    assert inside(tmp_path, "/../../d/./x/..") == tmp_path / "d"


def test_circles(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InvalidParameter, match="too many levels of symbolic links"):
        inside(tmp_path, "/a/x")
