"""Users and groups in the container's own files."""

from pathlib import Path

import pytest

from linkspan.runtime.failures import RuntimeFailure
from linkspan.runtime.identity import Identity, identify, look_up

PASSWD = "root:x:0:0:root:/root:/bin/sh\n#web:x:1:1::/:\nbroken\nweb:x:33:34::/srv:\nodd:x:a:b::/:\n"
GROUP = "root:x:0:\nwww:x:34:\nlog:x:99:web,other\nadm:x:4:web\nbad:x:z:web\n"


@pytest.mark.parametrize(
    ("user", "extra", "expected"),
    [
        ("", (), Identity(0, 0)),
        ("web", (), Identity(33, 34, (99, 4))),
        ("33", (), Identity(33, 34, (99, 4))),
        ("web:log", (), Identity(33, 99)),
        (":log", (), Identity(0, 99)),
        ("77", (), Identity(77, 0)),
        ("77:88", ("www", "5", "5"), Identity(77, 88, (34, 5))),
    ],
)
def test_docker_s_forms(user, extra, expected):
    assert identify(user, extra, PASSWD, GROUP) == expected


@pytest.mark.parametrize(
    ("user", "extra", "text"),
    [
        ("nope", (), "unable to find user nope: no matching entries in passwd file"),
        ("odd", (), "unable to find user odd"),
        ("web:nope", (), "unable to find group nope: no matching entries in group file"),
        ("web", ("nope",), "unable to find group nope"),
        ("4294967296", (), "uids and gids must be in range 0-2147483647"),
    ],
)
def test_what_is_not_there(user, extra, text):
    with pytest.raises(RuntimeFailure, match=text):
        identify(user, extra, PASSWD, GROUP)


def test_links_do_not_lead_out_of_the_image(tmp_path: Path):
    (tmp_path / "secret").write_text("evil:x:1:1::/:\n")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").symlink_to(tmp_path / "secret")
    with pytest.raises(RuntimeFailure):
        look_up(root, "evil")
    (root / "etc/passwd").unlink()
    (root / "etc/real").write_text(PASSWD)
    (root / "etc/passwd").symlink_to("/etc/real")
    assert look_up(root, "web") == Identity(33, 34)


def test_a_root_that_is_not_there(tmp_path: Path):
    with pytest.raises(RuntimeFailure, match="the root file system"):
        look_up(tmp_path / "gone", "")


def test_an_image_without_the_files_has_numbers_only(tmp_path: Path):
    assert look_up(tmp_path, "") == Identity(0, 0)
    assert look_up(tmp_path, "5:6") == Identity(5, 6)
