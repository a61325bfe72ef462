"""The table of what is compatible names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs/compatibility.md").read_text())))


@pytest.mark.parametrize(("file", "function"), NAMED)
def test_a_named_test_exists(file, function):
    text = (ROOT / "tests" / file).read_text()
    assert re.search(rf"^(async )?def {function}\(", text, re.MULTILINE)
