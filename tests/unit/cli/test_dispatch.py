"""Which module a command line leads to, and that nothing else is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from linkspan.cli import COMMANDS, _load, main

SOURCE = Path(__file__).parents[3] / "src"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_table_says_and_has_a_help(name, capsys):
    command = _load(name)
    assert command.name == name
    assert main([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage:  linkspan {name} {command.usage}")
    assert all(flag.help for flag in command.flags)


@pytest.mark.parametrize("words", [[], ["--help"], ["help"], ["-h"]])
def test_the_overview(words, capsys):
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("words", [["network"], ["network", "--help"], ["help", "network"]])
def test_the_overview_of_a_group(words, capsys):
    assert main(words) == 0
    assert "network prune" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["container", "ls"], ["container", "ps"], ["image", "rm"], ["network", "list"]]
)
def test_dockers_other_names(words, capsys):
    assert main([*words, "--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage:")


@pytest.mark.parametrize("words", [["nonsense"], ["network", "nonsense"], ["container", "nonsense"]])
def test_unknown_commands(words, capsys):
    assert main(words) == 1
    assert f"unknown command: linkspan {' '.join(words)}" in capsys.readouterr().err


def test_the_host_flag_in_all_its_forms(capsys):
    for words in (["-H", "/x"], ["-H/x"], ["-H=/x"], ["--host", "/x"], ["--host=unix:///x"]):
        assert main([*words, "ps"]) == 1
        assert "unix:///x" in capsys.readouterr().err


def test_version(capsys):
    assert main(["--version"]) == 0
    assert "Linkspan version" in capsys.readouterr().out


def test_a_quick_command_imports_nothing_slow():
    script = "from linkspan.cli import main; main(['-H', '/nowhere', 'ps']); print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(SOURCE)!r}); {script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"argparse", "json", "re", "socket", "typing", "dataclasses", "asyncio"} & set(
        done.stdout.split()
    )
