"""The runtime's program in sealed memory: it runs, and nobody can write to it."""

import subprocess
from pathlib import Path

import pytest

from linkspan.runtime import sealed


def test_a_sealed_program_runs_and_cannot_be_changed():
    path = sealed.program("/bin/echo")
    assert path.startswith("/proc/") and path == sealed.program("/bin/echo")
    assert subprocess.run([path, "hello"], capture_output=True, text=True).stdout == "hello\n"
    with pytest.raises(PermissionError), Path(path).open("r+b") as file:
        file.write(b"changed")
        file.flush()
    with pytest.raises(PermissionError), Path(path).open("r+b") as file:
        file.truncate(0)


def test_a_program_that_cannot_be_read_is_run_from_its_file(tmp_path):
    assert sealed.program(str(tmp_path / "none")) == str(tmp_path / "none")
