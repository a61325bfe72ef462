"""Address configuration: everything wrong with it at once, in Docker's words."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from linkspan.ipam.validation import validate_endpoint, validate_pools
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import EndpointConfig, Network, NetworkSpec, Pool, PoolRequest


def complaints(function, *arguments):
    with pytest.raises(InvalidParameter) as caught:
        function(*arguments)
    return str(caught.value).splitlines()


def test_everything_wrong_with_a_pool_is_listed():
    pool = PoolRequest(
        ip_network("10.0.0.0/24"),
        ip_network("10.0.0.0/16"),
        ip_address("10.1.0.1"),
        (("six", ip_address("fd00::1")), ("fine", ip_address("10.0.0.9"))),
    )
    assert complaints(validate_pools, NetworkSpec("x", pools=(pool,))) == [
        "invalid network config:",
        "invalid ip-range 10.0.0.0/16: CIDR block is bigger than its parent subnet 10.0.0.0/24",
        "invalid gateway 10.1.0.1: parent subnet 10.0.0.0/24 doesn't contain this address",
        "invalid auxiliary address six: parent subnet is an IPv4 block",
    ]


@pytest.mark.parametrize(
    ("ip_range", "reason"),
    [
        ("fd00::/64", "parent subnet is an IPv4 block"),
        ("10.1.0.0/28", "parent subnet 10.0.0.0/24 doesn't contain ip-range"),
    ],
)
def test_ip_ranges(ip_range, reason):
    pool = PoolRequest(ip_network("10.0.0.0/24"), ip_network(ip_range))
    assert (
        complaints(validate_pools, NetworkSpec("x", pools=(pool,)))[1]
        == f"invalid ip-range {ip_range}: {reason}"
    )


def test_a_gateway_needs_a_subnet_and_a_good_request_passes():
    pool = PoolRequest(gateway=ip_address("10.0.0.1"))
    assert complaints(validate_pools, NetworkSpec("x", pools=(pool,)))[1].startswith("invalid subnet")
    validate_pools(NetworkSpec("x", pools=(PoolRequest(ip_network("10.0.0.0/24")), PoolRequest())))


def network(configured=True):
    pools = (Pool(ip_network("10.0.0.0/24")),)
    return Network("1", "x", "bridge", "", pools=pools, subnets_configured=configured)


def test_fixed_addresses():
    inside, outside = EndpointConfig(ipv4=ip_address("10.0.0.9")), EndpointConfig(ipv4=ip_address("10.9.0.9"))
    validate_endpoint(network(), inside, predefined=False)
    assert complaints(validate_endpoint, network(), outside, False) == [
        "invalid endpoint settings:",
        "no configured subnet contains IP address 10.9.0.9",
    ]
    assert "user configured subnets" in complaints(validate_endpoint, network(False), inside, False)[1]


def test_predefined_networks_take_neither_addresses_nor_aliases():
    config = EndpointConfig(ipv4=ip_address("10.0.0.9"), aliases=("www",))
    assert complaints(validate_endpoint, network(), config, True) == [
        "invalid endpoint settings:",
        "user-specified IP address is supported on user-defined networks only",
        "network-scoped aliases are only supported for user-defined networks",
    ]
