"""Signals as users write them."""

from __future__ import annotations

import pytest

from linkspan.engine.signals import signal_number
from linkspan.model.errors import InvalidParameter


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9", 9),
        ("KILL", 9),
        ("SIGKILL", 9),
        ("sigterm", 15),
        ("RTMIN+3", 37),
        ("SIGRTMAX-1", 63),
        ("SIGRTMIN", 34),
    ],
)
def test_signals(text: str, number: int) -> None:
    assert signal_number(text) == number


@pytest.mark.parametrize("text", ["0", "65", "FOO", "", "-9", "RTMIN+99", "RTMAX+1"])
def test_what_is_no_signal(text: str) -> None:
    with pytest.raises(InvalidParameter, match=f"invalid signal: {text}".replace("+", r"\+")):
        signal_number(text)
