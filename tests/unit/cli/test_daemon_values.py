"""The values of the daemon's options."""

from __future__ import annotations

import pytest

from linkspan.cli.daemon_values import metrics_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9323", ("127.0.0.1", 9323)),
        ("localhost:1", ("127.0.0.1", 1)),
        ("[::1]:9323", ("::1", 9323)),
    ],
)
def test_metrics_are_told_on_loopback(text, expected):
    assert metrics_address(text) == expected


@pytest.mark.parametrize(
    "text", ["0.0.0.0:9323", "10.0.0.5:9323", "127.0.0.1", ":9323", "x:1", "127.0.0.1:70000"]
)
def test_and_nowhere_else(text):
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:"):
        metrics_address(text)
