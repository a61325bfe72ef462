"""The rules of the house that no linter knows: read by parsing every source file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "linkspan"
MODULES = sorted(SOURCE.rglob("*.py"))
PURE = ("model", "ipam", "blueprint", "firewall/render")
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "stuff"}
LONGEST_FILE = 340
LONGEST_FUNCTION = 60


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def functions(path: Path) -> list[tuple[str, int]]:
    """Name and length in lines of every function of a file."""
    tree = ast.parse(path.read_text())
    found = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in found]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_begins_with_one_sentence_that_says_its_job(path):
    doc = ast.get_docstring(ast.parse(path.read_text()))
    assert doc, "no docstring"
    assert doc.splitlines()[0].rstrip().endswith((".", ":")), "the first line is one whole sentence"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_file_stays_readable(path):
    assert len(path.read_text().splitlines()) <= LONGEST_FILE
    assert [each for each in functions(path) if each[1] > LONGEST_FUNCTION] == []


def test_functions_fit_a_screen():
    lengths = sorted(length for path in MODULES for _, length in functions(path))
    assert lengths[len(lengths) // 2] <= 10, "the median function is longer than ten lines"
    long = sum(length > 40 for length in lengths)
    assert long <= len(lengths) // 100, f"{long} of {len(lengths)} functions are longer than 40 lines"


def test_no_name_says_nothing():
    assert [name(path) for path in MODULES if path.stem in VAGUE or VAGUE & set(path.parts)] == []


def pure_modules() -> list[Path]:
    """Those that decide something; a file of plain values has nothing to test."""
    found = [path for layer in PURE for path in sorted((SOURCE / layer).rglob("*.py"))]
    return [path for path in found if functions(path)]


@pytest.mark.parametrize("path", pure_modules(), ids=name)
def test_a_pure_module_has_its_test_at_the_mirrored_path(path):
    relative = path.relative_to(SOURCE)
    assert (ROOT / "tests" / "unit" / relative.parent / f"test_{relative.name}").exists()


@pytest.mark.parametrize("path", pure_modules(), ids=name)
def test_values_of_the_pure_layers_are_frozen_and_slotted(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            for decorator in node.decorator_list:
                text = ast.unparse(decorator)
                if text.startswith("dataclass"):
                    assert "frozen=True" in text and "slots=True" in text, f"{node.name}: @{text}"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_nothing_is_left_undone_or_swallowed(path):
    text = path.read_text()
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            everything = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            silent = all(isinstance(each, ast.Pass) for each in node.body)
            assert not (everything and silent), f"line {node.lineno}: an error of any kind is swallowed"
