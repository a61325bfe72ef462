"""What the documents and scripts name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path):
    links = [link for link in LINK.findall(path.read_text()) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_named_make_targets_exist(path):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`(?:sudo )?make ([a-z0-9-]+)", path.read_text()))
    assert named <= targets


@pytest.mark.parametrize("file", ["packages.txt", "packages-dev.txt"])
def test_package_lists_say_package_program_and_reason(file):
    lines = (ROOT / "scripts" / file).read_text().splitlines()
    for line in lines:
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[a-z0-9.+-]+ +(-|[a-z0-9-]+) +\S.*", line), line


def test_the_readme_names_every_command_of_the_cli():
    from linkspan.cli import COMMANDS

    text = (ROOT / "README.md").read_text()
    assert [command for command in COMMANDS if command.split()[0] not in text] == []
