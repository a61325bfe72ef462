"""Root file systems by overlayfs: layers, whiteouts, many layers, unmounting in use, changes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from linkspan.model.errors import LinkspanError
from linkspan.runtime.changes import Change
from linkspan.runtime.rootfs import Overlay


@pytest.fixture
def overlay(tmp_path):
    made = Overlay(tmp_path)
    yield made
    for id in made.ids():
        made.remove(id)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def _layer(path: Path, **files: str) -> Path:
    for name, text in files.items():
        file = path / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def test_the_upper_layer_takes_the_changes(overlay, tmp_path):
    low = _layer(tmp_path / "low", etc__a="low", etc__b="b", gone="x")
    high = _layer(tmp_path / "high", etc__a="high")
    overlay.prepare("c", [high, low])
    merged = overlay.mount("c")
    assert overlay.mount("c") == merged
    assert (merged / "etc/a").read_text() == "high"
    (merged / "gone").unlink()
    (merged / "etc/b").write_text("changed")
    (merged / "new").mkdir()
    (merged / "new/f").write_text("12345")
    os.link(merged / "new/f", merged / "new/g")
    assert overlay.changes("c") == [
        Change("/etc", 0),
        Change("/etc/b", 0),
        Change("/gone", 2),
        Change("/new", 1),
        Change("/new/f", 1),
        Change("/new/g", 1),
    ]
    assert overlay.size("c") == len("12345" + "changed")
    assert (low / "gone").exists() and not (overlay.upper("c") / "etc/a").exists()
    assert overlay.directories("c")["LowerDir"] == f"{high}:{low}"


def test_changes_outlive_an_unmount(overlay, tmp_path):
    overlay.prepare("c", [_layer(tmp_path / "low", a="a")])
    (overlay.mount("c") / "kept").write_text("kept")
    overlay.unmount("c")
    overlay.unmount("c")
    assert not os.path.ismount(overlay.merged("c"))
    assert (overlay.mount("c") / "kept").read_text() == "kept"


def test_a_replaced_directory_hides_what_was_below(overlay, tmp_path):
    overlay.prepare("c", [_layer(tmp_path / "low", d__a="a", d__b="b")])
    merged = overlay.mount("c")
    for name in ("a", "b"):
        (merged / "d" / name).unlink()
    (merged / "d").rmdir()
    (merged / "d").mkdir()
    (merged / "d/c").write_text("c")
    assert overlay.changes("c") == [Change("/d", 0), Change("/d/c", 1)]


@pytest.mark.parametrize("name", ["l", "a-rather-long-name-of-a-layer-directory", "with:colon,comma"])
def test_many_layers(overlay, tmp_path, name):
    layers = [_layer(tmp_path / f"{name}{n}", **{f"f{n}": str(n)}) for n in range(120)]
    overlay.prepare("c", layers)
    assert len(list(overlay.mount("c").iterdir())) == 120


def test_no_layers_is_an_empty_root(overlay):
    overlay.prepare("c", [])
    assert list(overlay.mount("c").iterdir()) == []
    assert overlay.exists("c") and overlay.ids() == ["c"]


def test_one_in_use_goes_when_it_is_let_go(overlay, tmp_path):
    overlay.prepare("c", [_layer(tmp_path / "low", a="a")])
    with (overlay.mount("c") / "a").open() as file:
        overlay.remove("c")
        assert file.read() == "a"
    assert overlay.ids() == []
    overlay.remove("c")


def test_preparing_twice_is_refused_and_keeps_the_first(overlay):
    overlay.prepare("c", [])
    with pytest.raises(FileExistsError):
        overlay.prepare("c", [])
    assert overlay.exists("c")


def test_too_many_layers_are_refused(overlay, tmp_path):
    layer = _layer(tmp_path / "low", a="a")
    overlay.prepare("c", [layer] * 400)
    with pytest.raises(LinkspanError):
        overlay.mount("c")


ON_OVERLAY = """
    import sys
    from pathlib import Path
    from linkspan.model.errors import LinkspanError
    from linkspan.runtime.rootfs import Overlay
    from linkspan.runtime.syscalls import mount

    root = Path(sys.argv[1])
    for name in ("l", "u", "w", "m"):
        (root / name).mkdir()
    mount("overlay", str(root / "m"), "overlay", 0, f"lowerdir={root}/l,upperdir={root}/u,workdir={root}/w")
    overlay = Overlay(root / "m")
    overlay.prepare("c", [])
    try:
        overlay.mount("c")
    except LinkspanError as error:
        print(error)
"""


def test_on_an_overlay_the_reason_is_said(tmp_path):
    program = tmp_path / "try.py"
    program.write_text(textwrap.dedent(ON_OVERLAY))
    command = ["unshare", "-m", sys.executable, str(program), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "lies on an overlay file system, which cannot carry another" in done.stdout
