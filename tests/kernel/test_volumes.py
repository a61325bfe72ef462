"""Volumes on a real file system: content, mount options, removal, restart."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkspan.model.errors import Conflict, LinkspanError, NotFound
from linkspan.runtime.volumes import Volumes
from linkspan.store.database import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "state.db")
    yield found
    found.close()


@pytest.fixture
def volumes(store: Store, tmp_path: Path) -> Volumes:
    return Volumes(store, tmp_path / "data")


def test_a_volume_lives_until_it_is_removed(volumes: Volumes, store: Store, tmp_path: Path) -> None:
    volume = volumes.create("data", labels={"a": "b"})
    place = Path(volume.mountpoint)
    assert place == tmp_path / "data/volumes/data/_data" and place.is_dir()
    (place / "f").write_text("12345")
    assert volumes.create("data") == volume
    again = Volumes(store, tmp_path / "data")
    assert again.get("data") == volume and again.size("data") == 5
    again.remove("data")
    assert not place.parent.exists() and again.list() == ()
    assert Volumes(store, tmp_path / "data").list() == ()


def test_a_volume_without_name_gets_64_digits_and_is_anonymous(volumes: Volumes) -> None:
    volume = volumes.create()
    assert len(volume.name) == 64 and int(volume.name, 16) >= 0 and volume.anonymous


def test_sentences(volumes: Volumes) -> None:
    with pytest.raises(NotFound, match=r"^get x1: no such volume$"):
        volumes.remove("x1")
    with pytest.raises(NotFound, match=r'^error looking up volume plugin nfs: plugin "nfs" not found$'):
        volumes.create("x1", driver="nfs")
    volumes.create("x1")
    with pytest.raises(Conflict, match=r"^remove x1: volume is in use - \[abc, def\]$"):
        volumes.remove("x1", ["abc", "def"])


def test_prune_takes_unused_anonymous_volumes_and_named_ones_when_asked(volumes: Volumes) -> None:
    used, unused, named = volumes.create(), volumes.create(), volumes.create("named")
    (Path(unused.mountpoint) / "f").write_bytes(b"123")
    held = frozenset({used.name})
    assert volumes.prune(held, False, lambda _: True) == ([unused.name], 3)
    assert volumes.prune(held, True, lambda volume: volume.name != "named") == ([], 0)
    assert volumes.prune(held, True, lambda _: True) == ([named.name], 0)
    assert volumes.list() == (used,)


def test_a_directory_of_the_host_as_a_volume_survives_its_removal(volumes: Volumes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "f").write_text("precious")
    volume = volumes.create("bound", options={"type": "none", "o": "bind", "device": str(source)})
    place = volumes.mount("bound")
    assert place == Path(volume.mountpoint) == volumes.mount("bound")
    assert (place / "f").read_text() == "precious"
    volumes.remove("bound")
    assert (source / "f").read_text() == "precious"
    assert str(place) not in Path("/proc/self/mountinfo").read_text()


def test_a_tmpfs_volume(volumes: Volumes) -> None:
    volumes.create("memory", options={"type": "tmpfs", "o": "size=1m,uid=7", "device": "tmpfs"})
    place = volumes.mount("memory")
    try:
        assert place.stat().st_uid == 7
    finally:
        volumes.remove("memory")
    assert not place.exists()


def test_a_mount_that_fails_says_why(volumes: Volumes) -> None:
    volumes.create("bad", options={"type": "none", "o": "bind", "device": "/does/not/exist"})
    with pytest.raises(LinkspanError, match="failed to mount local volume bad: mount /does/not/exist:"):
        volumes.mount("bad")
    volumes.remove("bad")


def test_what_is_mounted_inside_a_volume_is_not_deleted(volumes: Volumes, tmp_path: Path) -> None:
    inside = Path(volumes.create("outer").mountpoint) / "inside"
    inside.mkdir()
    (tmp_path / "precious").mkdir()
    subprocess.run(["mount", "--bind", tmp_path / "precious", inside], check=True)
    try:
        with pytest.raises(LinkspanError, match="something is still mounted below"):
            volumes.remove("outer")
        assert volumes.get("outer")
    finally:
        subprocess.run(["umount", inside], check=True)
    volumes.remove("outer")
