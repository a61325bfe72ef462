"""conmon's command line."""

from dataclasses import replace
from pathlib import Path

from linkspan.runtime.bundle import Bundle
from linkspan.runtime.monitor import arguments
from linkspan.runtime.process import ContainerProcess

PLAIN = ContainerProcess(id="c" * 64, rootfs=Path("/r"), log_path=Path("/d/l"), args=("sh",))
BUNDLE = Bundle("c" * 64, Path("/x/c"))


def _line(**fields):
    return arguments("conmon", ["crun", "--root=/s", "--x"], replace(PLAIN, **fields), BUNDLE)


def test_the_runtime_and_the_files_are_given():
    line = _line()
    assert line[0] == "conmon"
    assert line[line.index("--runtime") + 1] == "crun"
    assert line[line.index("--log-path") + 1] == "k8s-file:/d/l"
    assert [line[n + 1] for n, word in enumerate(line) if word == "--runtime-arg"] == ["--root=/s", "--x"]
    assert "--terminal" not in line and "--stdin" not in line


def test_stdin_and_terminal():
    assert "--stdin" in _line(open_stdin=True) and "--leave-stdin-open" in _line(open_stdin=True)
    assert "--leave-stdin-open" not in _line(open_stdin=True, stdin_once=True)
    line = _line(open_stdin=True, stdin_once=True, terminal=True)
    assert "--terminal" in line and "--leave-stdin-open" in line
