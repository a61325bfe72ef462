"""The choice of the gateway: Docker's order, property by property."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.model.network import Endpoint, EndpointConfig
from linkspan.network.gateway import choose

FOUR, SIX = ip_address("10.0.0.1"), ip_address("fd00::1")


def on(network, gateway4=FOUR, gateway6=None, priority=0):
    config = EndpointConfig(gw_priority=priority)
    return Endpoint(
        "e", network, network, "c", "web", "", gateway4=gateway4, gateway6=gateway6, config=config
    )


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        ([], None),
        ([on("internal", None)], None),
        ([on("b"), on("a")], "a"),
        ([on("a"), on("b", gateway6=SIX)], "b"),
        ([on("a", gateway6=SIX), on("b", priority=1)], "b"),
        ([on("a", None, priority=9), on("b")], "b"),
        ([on("a"), on("b", priority=-1)], "a"),
    ],
)
def test_the_ipv4_gateway(endpoints, expected):
    found = choose(endpoints)
    assert (found.network_name if found else None) == expected


def test_each_family_has_its_own():
    endpoints = [on("a"), on("b", None, SIX)]
    assert [choose(endpoints, version).network_name for version in (4, 6)] == ["a", "b"]
