"""Whole numbers as people write them: ASCII digits, and not more of them than a number here can have."""

from __future__ import annotations

_DIGITS = 18


def is_number(text: str) -> bool:
    """Tell whether `text` is a whole number that `int` reads, as "80"; not "²", nor five thousand digits."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
