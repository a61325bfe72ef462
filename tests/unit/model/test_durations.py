"""Durations as Go prints them."""

from __future__ import annotations

import pytest

from linkspan.model.timestamps import go_duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.3, "300ms"), (1, "1s"), (1.5, "1.5s"), (60, "1m0s"), (3605, "1h0m5s")]
)
def test_go_durations(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
