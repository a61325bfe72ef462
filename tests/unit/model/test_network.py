"""Networks and endpoints: options and pools by what they are asked for."""

from __future__ import annotations

from ipaddress import ip_network

from linkspan.model.network import EndpointConfig, EndpointRequest, Network, NetworkSpec, Pool, PoolRequest

NETWORK = Network(
    "n", "front", "bridge", "", pools=(Pool(ip_network("10.0.0.0/24")),), options=(("mtu", "1400"),)
)


def test_options():
    assert NETWORK.option("mtu") == "1400"
    assert NETWORK.option("icc") == ""
    assert NETWORK.option("icc", "true") == "true"


def test_pools_by_family():
    assert NETWORK.pool(4) is NETWORK.pools[0]
    assert NETWORK.pool(6) is None


def test_requests_ask_for_nothing_special_by_default():
    assert NetworkSpec("x").driver == "bridge" and NetworkSpec("x").enable_ipv4
    assert EndpointRequest("x").config == EndpointConfig()
    assert PoolRequest().subnet is None
