"""docker cp, diff and export: a container's files in and out, with nothing leading out of its root."""

from __future__ import annotations

import io
import tarfile

import pytest


@pytest.fixture
def box(stage):
    """A running container with a directory, a link out of it, and a volume."""
    stage.docker("run", "-d", "--name", "box", "-v", "/vol", "busybox", "sleep", "1000")
    stage.inside(
        "box",
        "sh",
        "-c",
        "mkdir /d; echo a > /d/a; ln -s /d /link; ln -s ../../../../etc /esc; echo v > /vol/v",
    )
    return "box"


def names(archive: str | bytes) -> list[str]:
    content = archive if isinstance(archive, bytes) else archive.encode("latin-1")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return tar.getnames()


def test_a_directory_comes_with_its_name_and_its_content_without(stage, box, tmp_path):
    stage.docker("cp", f"{box}:/d", str(tmp_path / "out"))
    assert (tmp_path / "out" / "a").read_text() == "a\n"
    (tmp_path / "into").mkdir()
    stage.docker("cp", f"{box}:/d", str(tmp_path / "into"))
    assert (tmp_path / "into" / "d" / "a").exists()
    stage.docker("cp", f"{box}:/d/.", str(tmp_path / "into"))
    assert (tmp_path / "into" / "a").exists()


def test_a_link_is_copied_as_one_or_followed(stage, box, tmp_path):
    stage.docker("cp", f"{box}:/link", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    stage.docker("cp", "-L", f"{box}:/link", str(tmp_path / "followed"))
    assert (tmp_path / "followed" / "a").exists()


def test_links_are_followed_inside_the_root_only(stage, box, tmp_path):
    stage.docker("cp", f"{box}:/esc/passwd", str(tmp_path / "passwd"))
    assert (tmp_path / "passwd").read_text() == stage.inside(box, "cat", "/etc/passwd").out
    source = tmp_path / "new"
    source.write_text("new\n")
    stage.docker("cp", str(source), f"{box}:/esc/linkspan-was-here")
    assert stage.inside(box, "cat", "/etc/linkspan-was-here").out == "new\n"
    assert stage.host("test", "-e", "/etc/linkspan-was-here", check=False).code == 1


def test_the_parent_of_the_root_is_the_root(stage, box):
    stage.docker("cp", f"{box}:/..", "-", check=False)
    assert stage.fails("cp", f"{box}:/../diff", "-").err


def test_volumes_are_seen_also_when_it_is_stopped(stage, box, tmp_path):
    for state in ("running", "stopped"):
        stage.docker("cp", f"{box}:/vol/v", str(tmp_path / state))
        assert (tmp_path / state).read_text() == "v\n"
        stage.docker("stop", "-t", "0", box)
    stage.docker("cp", str(tmp_path / "running"), f"{box}:/vol/back")
    stage.docker("start", box)
    assert stage.inside(box, "cat", "/vol/back").out == "v\n"


def test_what_is_not_there(stage, box, tmp_path):
    assert "Could not find the file /nothing in container" in stage.fails("cp", f"{box}:/nothing", "-").err
    (tmp_path / "a").write_text("")
    assert "Could not find the file" in stage.fails("cp", str(tmp_path / "a"), f"{box}:/nothing/b").err


def test_a_read_only_root_takes_nothing(stage, tmp_path):
    stage.docker("create", "--name", "fixed", "--read-only", "busybox")
    (tmp_path / "a").write_text("")
    assert "container rootfs is marked read-only" in stage.fails("cp", str(tmp_path / "a"), "fixed:/a").err


def test_diff_shows_what_the_container_did_and_nothing_else(stage):
    stage.docker("run", "--name", "one", "busybox", "true")
    assert stage.docker("diff", "one").out == ""
    stage.docker("run", "--name", "two", "busybox", "sh", "-c", "echo x > /etc/new; rm /etc/passwd")
    assert stage.docker("diff", "two").lines == ["C /etc", "A /etc/new", "D /etc/passwd"]


def test_export_holds_the_root_without_mounts(stage, box, tmp_path):
    stage.docker("export", "-o", str(tmp_path / "tar"), box)
    found = names((tmp_path / "tar").read_bytes())
    assert {"d/a", "etc/passwd"} <= set(found)
    assert not [name for name in found if name.startswith(("vol/v", "proc/1"))]


def test_nothing_is_left_mounted(stage):
    before = stage.snapshot()
    stage.docker("create", "--name", "down", "busybox")
    stage.docker("export", "-o", "/dev/null", "down", check=False)
    stage.docker("rm", "down")
    stage.unchanged_since(before)
