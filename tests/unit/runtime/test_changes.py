"""A writable layer compared with the layers below it."""

from pathlib import Path

import pytest

from linkspan.runtime import changes
from linkspan.runtime.changes import ADDED, MODIFIED, Change


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Path, list[Path]]:
    upper, high, low = (tmp_path / name for name in ("upper", "high", "low"))
    for directory in (upper, high / "etc", low / "etc/deep", low / "var"):
        directory.mkdir(parents=True)
    (low / "etc/old").write_text("old")
    (low / "etc/deep/f").write_text("f")
    (high / "etc/new").write_text("new")
    (high / "var").write_text("a file over a directory")
    (low / "var/hidden").write_text("")
    return upper, [high, low]


def test_added_modified_and_their_parents(layers):
    upper, lower = layers
    (upper / "etc/deep").mkdir(parents=True)
    (upper / "etc/deep/f").write_text("changed")
    (upper / "etc/mine").write_text("")
    assert changes.compare(upper, lower) == [
        Change("/etc", MODIFIED),
        Change("/etc/deep", MODIFIED),
        Change("/etc/deep/f", MODIFIED),
        Change("/etc/mine", ADDED),
    ]


def test_nothing_changed(layers):
    assert changes.compare(*layers) == []


def test_looking_up_in_the_union(layers):
    _, lower = layers
    assert changes.look_up(Path("etc/old"), lower) is not None
    assert changes.look_up(Path("etc/new"), lower) is not None
    assert changes.look_up(Path("var/hidden"), lower) is None
    assert changes.look_up(Path("none/at/all"), lower) is None
