"""Archives of a container's files: what goes in, and that nothing comes out of the directory."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from linkspan.engine import tarring
from linkspan.model.errors import InvalidParameter


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def packed(directory: Path, entry: str, name: str) -> bytes:
    output = io.BytesIO()
    with opened(directory) as descriptor:
        tarring.pack(descriptor, entry, name, output)
    return output.getvalue()


def unpack(archive: bytes, target: Path, keep_directories: bool = False) -> None:
    mine = (os.getuid(), os.getgid())
    with opened(target) as descriptor:
        tarring.unpack(descriptor, io.BytesIO(archive).read, keep_directories, mine)


def made(*members: tuple[str, str | bytes]) -> bytes:
    """An archive of (name, content): text is a link's target with "->" or "=>" in front, b"" a file."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type = tarfile.SYMTYPE if content.startswith("->") else tarfile.LNKTYPE
                member.linkname = content[2:]
                archive.addfile(member)
            elif name.endswith("/"):
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return output.getvalue()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "d" / "e").mkdir(parents=True)
    (root / "d" / "a").write_text("content")
    (root / "d" / "link").symlink_to("a")
    (root / "d" / "hard").hardlink_to(root / "d" / "a")
    os.mkfifo(root / "d" / "fifo")
    return root


def test_a_tree_goes_there_and_back(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    unpack(packed(tree, "d", "copy"), target)
    assert (target / "copy" / "a").read_text() == "content"
    assert (target / "copy" / "link").readlink() == Path("a")
    assert (target / "copy" / "hard").samefile(target / "copy" / "a")
    assert (target / "copy" / "fifo").is_fifo()
    assert (target / "copy" / "e").is_dir()


def test_without_a_name_only_the_content_is_packed(tree: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(tree, "d", ""))) as archive:
        assert archive.getnames() == ["a", "e", "fifo", "hard", "link"]


def test_the_names_of_the_root_begin_with_a_slash_as_dockers_do(tree: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(tree / "d", ".", "/"))) as archive:
        assert {"/a", "/e"} <= set(archive.getnames())


def test_compressed_archives_are_read(tmp_path: Path) -> None:
    unpack(gzip.compress(made(("a", b"x"))), tmp_path)
    assert (tmp_path / "a").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil"])
def test_names_that_climb_are_refused(tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(InvalidParameter, match="outside of the root"):
        unpack(made((name, b"x")), target)
    assert not (tmp_path / "evil").exists()


def test_links_in_the_archive_do_not_lead_out(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    unpack(made(("l", f"->{tmp_path}"), ("in/", b"")), target)
    with pytest.raises(InvalidParameter):
        unpack(made(("l/evil", b"x")), target)
    assert not (tmp_path / "evil").exists()


def test_hard_links_do_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(InvalidParameter):
        unpack(made(("h", "=>../secret")), target)
    assert not (target / "h").exists()


def test_a_file_in_the_way_is_replaced_or_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InvalidParameter, match="cannot overwrite directory 'a' with non-directory"):
        unpack(made(("a", b"x")), tmp_path, keep_directories=True)
    unpack(made(("a", b"x")), tmp_path)
    assert (tmp_path / "a").read_bytes() == b"x"
    with pytest.raises(InvalidParameter, match="cannot overwrite non-directory"):
        unpack(made(("a/", b"")), tmp_path, keep_directories=True)


def test_a_damaged_archive_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="damaged archive"):
        unpack(b"this is no archive" * 100, tmp_path)
