"""Whole numbers: what `int` reads as people mean it."""

from __future__ import annotations

import pytest

from linkspan.model.numbers import is_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", True),
        ("0080", True),
        ("9" * 18, True),
        ("9" * 19, False),
        ("", False),
        ("-1", False),
        ("²", False),
    ],
)
def test_numbers(text, number):
    assert is_number(text) is number
