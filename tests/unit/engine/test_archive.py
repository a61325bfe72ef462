"""Modes and paths as the archive endpoints tell them."""

from __future__ import annotations

import stat

import pytest

from linkspan.engine import archive
from linkspan.engine.archive import PathStat, go_mode
from linkspan.model.errors import InvalidParameter


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (stat.S_IFREG | 0o644, 0o644),
        (stat.S_IFDIR | 0o755, 1 << 31 | 0o755),
        (stat.S_IFLNK | 0o777, 1 << 27 | 0o777),
        (stat.S_IFCHR | 0o600, 1 << 26 | 1 << 21 | 0o600),
        (stat.S_IFBLK | 0o600, 1 << 26 | 0o600),
        (stat.S_IFIFO | 0o600, 1 << 25 | 0o600),
        (stat.S_IFREG | 0o4755, 1 << 23 | 0o755),
        (stat.S_IFDIR | 0o1777, 1 << 31 | 1 << 20 | 0o777),
    ],
)
def test_go_mode(mode: int, expected: int) -> None:
    assert go_mode(mode) == expected


@pytest.mark.parametrize(
    ("path", "absolute", "name"),
    [
        ("/a/b", "/a/b", "b"),
        ("a/b/", "/a/b/", "b"),
        ("/a/.", "/a/.", "."),
        ("/..", "/", "/"),
        ("/", "//", "/"),
        ("/a/../../b", "/b", "b"),
    ],
)
def test_paths(path: str, absolute: str, name: str) -> None:
    assert archive._absolute(path) == absolute
    assert archive._entry_name(absolute) == name


def test_no_path() -> None:
    with pytest.raises(InvalidParameter, match="path cannot be empty"):
        archive._absolute("")


def test_the_header() -> None:
    assert PathStat("a", 1, 2, "t", "/x").document() == {
        "name": "a",
        "size": 1,
        "mode": 2,
        "mtime": "t",
        "linkTarget": "/x",
    }
