"""Layers on a real file system: what is kept, whiteouts in overlay's form, and hostile archives."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkspan.model.errors import InvalidParameter, LinkspanError
from linkspan.runtime.images.intake import produced
from linkspan.runtime.images.layers import LayerStore
from linkspan.runtime.images.pack import pack_upper
from linkspan.runtime.images.unpack import unpack

OPAQUE = "trusted.overlay.opaque"
Entry = tuple[str, dict[str, object]]


def archive(*entries: Entry) -> bytes:
    """A tar of (name, fields): `data` is a file's content, anything else a field of its TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, fields in entries:
            member = tarfile.TarInfo(name)
            data = fields.pop("data", b"")
            assert isinstance(data, bytes)
            member.size = len(data)
            for field, value in fields.items():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def directory(name: str, **fields: object) -> Entry:
    return name, {"type": tarfile.DIRTYPE, "mode": 0o755, **fields}


def file(name: str, data: bytes = b"x", **fields: object) -> Entry:
    return name, {"data": data, **fields}


def symlink(name: str, target: str) -> Entry:
    return name, {"type": tarfile.SYMTYPE, "linkname": target}


def hardlink(name: str, target: str) -> Entry:
    return name, {"type": tarfile.LNKTYPE, "linkname": target}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    place = tmp_path / "outside" / "layer"
    place.mkdir(parents=True)
    return place


@pytest.fixture
def outside(target: Path) -> Iterator[Path]:
    """What is around the layer must look the same after the test as before."""
    (target.parent / "precious").write_text("safe")
    before = snapshot(target.parent)
    yield target.parent
    assert snapshot(target.parent) == before


def snapshot(place: Path) -> list[tuple[str, str]]:
    return sorted((str(p), p.read_text()) for p in place.iterdir() if p.name != "layer")


def put(target: Path, *entries: Entry) -> int:
    return unpack(io.BytesIO(archive(*entries)), target)


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def test_owners_modes_times_links_nodes_and_attributes_are_kept(target: Path) -> None:
    attributes = {"SCHILY.xattr.user.note": "hello", "mtime": "1700000000.123456789"}
    capability = "\x01\x00\x00\x02\x00\x20\x00\x00" + "\x00" * 12
    size = put(
        target,
        directory("./", mode=0o751, uid=5),
        directory("d", mode=0o1777, uid=1, gid=2, mtime=1_600_000_000),
        file("d/f", b"content", mode=0o6755, uid=3, gid=4, pax_headers=attributes),
        hardlink("d/h", "d/f"),
        symlink("d/s", "../nowhere"),
        ("d/fifo", {"type": tarfile.FIFOTYPE, "mode": 0o622}),
        ("d/null", {"type": tarfile.CHRTYPE, "mode": 0o666, "devmajor": 1, "devminor": 3}),
        file("deep/er/f"),
        file("ping", pax_headers={"SCHILY.xattr.security.capability": capability}, uid=7),
    )
    assert size == 9
    assert (stat.S_IMODE(target.stat().st_mode), target.stat().st_uid) == (0o751, 5)
    status = (target / "d").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o1777, 1, 2)
    assert status.st_mtime == 1_600_000_000
    status = (target / "d/f").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_nlink) == (0o6755, 3, 4, 2)
    assert status.st_mtime_ns == 1_700_000_000_123_456_789
    assert os.getxattr(target / "d/f", "user.note") == b"hello"
    assert os.getxattr(target / "ping", "security.capability") == capability.encode("latin-1")
    assert str((target / "d/s").readlink()) == "../nowhere"
    assert stat.S_ISFIFO((target / "d/fifo").stat().st_mode)
    null = (target / "d/null").stat()
    assert (stat.S_ISCHR(null.st_mode), null.st_rdev) == (True, os.makedev(1, 3))
    assert stat.S_IMODE((target / "deep").stat().st_mode) == 0o755


def test_whiteouts_become_overlays(target: Path) -> None:
    put(
        target,
        directory("d"),
        file("d/.wh..wh..opq", b""),
        file("d/.wh.gone", b""),
        file("other/.wh.gone", b""),
        file(".wh..wh.plnk/1.2", b""),
        file("e/.wh.back", b""),
        directory("e/back"),
        file("e/back/f"),
        directory("k"),
        file(".wh.k", b""),
    )
    assert os.getxattr(target / "d", OPAQUE) == b"y"
    assert is_whiteout(target / "d/gone") and is_whiteout(target / "other/gone")
    assert not (target / ".wh..wh.plnk").exists()
    assert os.getxattr(target / "e/back", OPAQUE) == b"y"
    assert (target / "e/back/f").read_text() == "x"
    assert os.getxattr(target / "k", OPAQUE) == b"y"


def test_overlays_own_attributes_in_an_archive_are_not_taken(target: Path) -> None:
    put(target, directory("d", pax_headers={"SCHILY.xattr.trusted.overlay.redirect": "/etc"}))
    assert os.listxattr(target / "d") == []


def test_later_entries_replace_earlier_ones(target: Path) -> None:
    put(
        target, file("a", b"1"), file("a", b"2"), directory("b"), file("b/x"), file("b", b"3"), directory("a")
    )
    assert (target / "a").is_dir() and (target / "b").read_text() == "3"


def test_absolute_names_and_harmless_dots_stay_inside(target: Path, outside: Path) -> None:
    put(target, file("/etc/passwd", b"inside"), file("./a/../b", b"2"))
    assert (target / "etc/passwd").read_text() == "inside"
    assert (target / "b").read_text() == "2"


@pytest.mark.parametrize(
    "entries",
    [
        [file("../precious")],
        [file("a/../../precious")],
        [directory("..")],
        [file("..")],
        [symlink("../link", "x")],
        [hardlink("h", "../precious")],
        [hardlink("h", "a/../../precious")],
        [hardlink("h", ".")],
        [file("../.wh.precious", b"")],
        [file(".wh...", b"")],
        [file(".wh..", b"")],
        [file(".", b"x")],
    ],
)
def test_names_that_climb_out_are_refused(target: Path, outside: Path, entries: list[Entry]) -> None:
    with pytest.raises(InvalidParameter):
        put(target, *entries)


@pytest.mark.parametrize("leads", ["..", "../..", "/", "/proc/self/cwd", "../../../../../../../../"])
def test_links_in_the_archive_lead_nowhere_outside(target: Path, outside: Path, leads: str) -> None:
    entries = [symlink("l", leads), file("l/planted"), directory("l/dir"), file("l/.wh.precious", b"")]
    try:
        put(target, *entries)
    except InvalidParameter:
        return
    assert (target / "planted").read_text() == "x"
    assert is_whiteout(target / "precious")


def test_a_link_to_a_file_outside_is_replaced_and_not_followed(target: Path, outside: Path) -> None:
    put(target, symlink("l", str(outside / "precious")), file("l", b"evil", mode=0o777))
    assert (target / "l").read_text() == "evil" and not (target / "l").is_symlink()


def test_a_link_in_place_of_a_directory_is_replaced(target: Path, outside: Path) -> None:
    put(target, symlink("l", ".."), directory("l", mode=0o700, uid=9), file("l/f"))
    assert (target / "l").is_dir() and not (target / "l").is_symlink()
    assert (target / "l").stat().st_uid == 9


def test_a_hard_link_through_a_link_finds_only_what_is_inside(target: Path, outside: Path) -> None:
    with pytest.raises(InvalidParameter):
        put(target, symlink("l", ".."), hardlink("h", "l/precious"))


def test_a_hard_link_to_a_link_links_the_link(target: Path, outside: Path) -> None:
    put(target, symlink("l", str(outside / "precious")), hardlink("h", "l"), file("h", b"evil"))
    assert (target / "h").read_text() == "evil"


def test_a_directory_time_is_not_set_through_a_link(target: Path, outside: Path) -> None:
    before = outside.stat().st_mtime_ns
    put(target, directory("d", mtime=1), symlink("d", str(outside)))
    assert outside.stat().st_mtime_ns == before


def test_links_in_circles_are_an_error(target: Path) -> None:
    with pytest.raises(InvalidParameter, match="in circles"):
        put(target, symlink("a", "b"), symlink("b", "a"), file("a/x"))


def test_a_file_in_place_of_a_directory_is_an_error(target: Path) -> None:
    with pytest.raises(InvalidParameter, match="not a directory"):
        put(target, file("a"), file("a/b"))


@pytest.mark.parametrize("cut", [300, 700, 1100])
def test_an_archive_that_ends_early_is_an_error(target: Path, cut: int) -> None:
    content = archive(file("a", b"1" * 600))
    with pytest.raises(InvalidParameter, match="damaged layer archive"):
        unpack(io.BytesIO(content[:cut]), target)


def test_a_layer_is_kept_only_under_its_own_digest(tmp_path: Path) -> None:
    store, content = LayerStore(tmp_path), archive(file("a"))
    blob = tmp_path / "blob"
    blob.write_bytes(content)
    diff_id = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with pytest.raises(LinkspanError, match="layer verification failed"):
        store.unpack(blob, "sha256:" + "0" * 64)
    assert list((tmp_path / "layers").iterdir()) == []
    store.unpack(blob, diff_id)
    assert (store.path(diff_id) / "a").read_text() == "x"
    store.remove(diff_id)
    assert list((tmp_path / "layers").iterdir()) == []


def test_an_upper_directory_comes_back_as_it_was(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    put(
        first,
        directory("d", uid=4),
        file("d/.wh..wh..opq", b""),
        file("d/.wh.gone", b""),
        file("d/f", b"12", mode=0o4755, pax_headers={"SCHILY.xattr.user.n": "v", "mtime": "5.000000007"}),
        hardlink("z", "d/f"),
        symlink("s", "d/f"),
        ("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
    )
    packed = tmp_path / "packed"
    produced(lambda writer: pack_upper(first, writer), packed)
    with tarfile.open(packed) as tar:
        assert {"d/.wh..wh..opq", "d/.wh.gone"} <= set(tar.getnames())
    unpack(io.BytesIO(packed.read_bytes()), second)
    assert facts(second) == facts(first)


def facts(place: Path) -> list[tuple[object, ...]]:
    found = []
    for path in sorted(place.rglob("*")):
        status = path.lstat()
        attributes = [(n, os.getxattr(path, n, follow_symlinks=False)) for n in _names(path)]
        link = str(path.readlink()) if path.is_symlink() else ""
        when = status.st_mtime_ns if stat.S_ISREG(status.st_mode) else 0
        found.append(
            (
                path.name,
                status.st_mode,
                status.st_uid,
                status.st_rdev,
                status.st_nlink,
                link,
                when,
                attributes,
            )
        )
    return found


def _names(path: Path) -> list[str]:
    return sorted(os.listxattr(path, follow_symlinks=False))
