"""The programs, and what is said when they are missing."""

import pytest

from linkspan.model.errors import LinkspanError
from linkspan.runtime import programs


def _program(directory, name):
    (directory / name).write_text("#!/bin/sh\n")
    (directory / name).chmod(0o755)


def test_crun_is_preferred_and_runc_is_enough(tmp_path):
    search = str(tmp_path)
    with pytest.raises(LinkspanError, match="install the Debian package 'conmon'"):
        programs.find(search)
    _program(tmp_path, "conmon")
    with pytest.raises(LinkspanError, match="install the Debian package 'crun'"):
        programs.find(search)
    _program(tmp_path, "runc")
    assert not programs.find(search).is_crun
    _program(tmp_path, "crun")
    assert programs.find(search).is_crun


def test_an_init(tmp_path):
    with pytest.raises(LinkspanError, match="install the Debian package 'catatonit'"):
        programs.find_init(str(tmp_path))
    _program(tmp_path, "tini")
    _program(tmp_path, "catatonit")
    assert programs.find_init(str(tmp_path)) == str(tmp_path / "catatonit")
