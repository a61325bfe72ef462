"""Which rules live among other people's."""

from __future__ import annotations

import pytest

from linkspan.firewall.render.rules import Rule


@pytest.mark.parametrize(
    ("table", "chain", "shared"),
    [
        ("nat", "DOCKER", False),
        ("filter", "DOCKER-INTERNAL", False),
        ("nat", "POSTROUTING", True),
        ("raw", "PREROUTING", True),
        ("filter", "DOCKER-USER", True),
        ("raw", "DOCKER", True),
    ],
)
def test_shared(table: str, chain: str, shared: bool) -> None:
    assert Rule(4, table, chain, "-j ACCEPT").shared is shared
