"""A root with its volumes in place, seen by nobody else and gone when it is closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from linkspan.runtime.whole import Bind, whole


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    (path / "data").mkdir(parents=True)
    (path / "link").symlink_to("/data")
    return path


def test_binds_are_seen_through_links_and_by_nobody_else(root: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "inside").write_text("v")
    mounts = Path("/proc/self/mountinfo").read_text()
    descriptor = whole(root, [Bind(volume, "/data")])
    try:
        assert Path(f"/proc/self/fd/{descriptor}/data/inside").read_text() == "v"
        assert list((root / "data").iterdir()) == []
        assert Path("/proc/self/mountinfo").read_text() == mounts
    finally:
        os.close(descriptor)
    assert (volume / "inside").exists()


def test_missing_places_are_made(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("f")
    descriptor = whole(root, [Bind(tmp_path, "/new/deep"), Bind(file, "/etc/file")])
    try:
        assert Path(f"/proc/self/fd/{descriptor}/new/deep/file").read_text() == "f"
        assert Path(f"/proc/self/fd/{descriptor}/etc/file").read_text() == "f"
    finally:
        os.close(descriptor)
    assert (root / "new" / "deep").is_dir()
    assert (root / "etc" / "file").is_file()


def test_read_only_binds_and_links_that_lead_out(root: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (root / "out").symlink_to("../../../../../../..")
    descriptor = whole(root, [Bind(volume, "/out/data", read_only=True)])
    try:
        with pytest.raises(OSError, match="Read-only file system"):
            Path(f"/proc/self/fd/{descriptor}/data/x").write_text("x")
    finally:
        os.close(descriptor)
