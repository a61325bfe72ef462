"""Pool choice: Docker's order, nothing that overlaps, and Docker's words when nothing is left."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.ipam.pools import (
    DEFAULT_POOLS,
    AddressPool,
    choose,
    choose_of_size,
    parse_pool,
    require_free,
    ula_pool,
)
from linkspan.model.errors import Forbidden, InvalidParameter


def test_the_default_pools_give_dockers_31_networks_in_order():
    taken = []
    for _ in range(31):
        taken.append(choose(taken, DEFAULT_POOLS))
    assert [str(subnet) for subnet in taken[:3]] == ["172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16"]
    assert [str(subnet) for subnet in taken[14:17]] == ["172.31.0.0/16", "192.168.0.0/20", "192.168.16.0/20"]


def test_after_dockers_31_networks_smaller_ones_follow():
    taken = []
    for _ in range(400):
        taken.append(choose(taken, DEFAULT_POOLS))
    assert [str(subnet) for subnet in taken[31:34]] == ["10.128.0.0/24", "10.128.1.0/24", "10.128.2.0/24"]
    assert not any(a.overlaps(b) for i, a in enumerate(taken) for b in taken[:i])


def test_the_last_pools_end_says_what_to_do():
    with pytest.raises(
        InvalidParameter, match=r"^all predefined address pools have been fully subnetted"
    ) as met:
        choose([ip_network("10.9.0.0/16")], [AddressPool(ip_network("10.9.0.0/23"), 24)])
    assert "(10.9.0.0/23 in /24)" in str(met.value)
    assert "--default-address-pool base=" in str(met.value)


def test_routes_that_lie_in_each_other_are_stepped_over():
    taken = [ip_network("10.0.0.0/16"), ip_network("10.0.0.0/24"), ip_network("10.1.0.128/25")]
    assert str(choose(taken, [AddressPool(ip_network("10.0.0.0/8"), 24)])) == "10.1.1.0/24"


def test_a_narrow_route_blocks_its_whole_subnet():
    assert str(choose([ip_network("172.17.9.9/32")], DEFAULT_POOLS)) == "172.18.0.0/16"


@st.composite
def subnets(draw):
    bits = draw(st.integers(8, 32))
    return ip_network((draw(st.integers(0, 2**bits - 1)) << (32 - bits), bits))


@given(st.lists(subnets(), max_size=12), st.integers(12, 24), st.integers(0, 8))
def test_a_chosen_subnet_is_the_first_free_one(taken, base_bits, more):
    pool = AddressPool(ip_network((10 << 24, base_bits)), base_bits + more)
    expected = next((s for s in pool.subnets() if not any(s.overlaps(t) for t in taken)), None)
    if expected is None:
        with pytest.raises(InvalidParameter):
            choose(taken, [pool])
    else:
        assert choose(taken, [pool]) == expected


def test_a_long_pool_needs_no_long_walk():
    pool = AddressPool(ip_network("10.0.0.0/8"), 30)
    assert str(choose([ip_network("10.0.0.0/9"), ip_network("10.128.0.0/10")], [pool])) == "10.192.0.0/30"


def test_a_size_may_be_asked_for():
    assert str(choose_of_size(24, [], DEFAULT_POOLS, 4)) == "172.17.0.0/24"
    with pytest.raises(InvalidParameter):
        choose_of_size(8, [], DEFAULT_POOLS, 4)


def test_ula_subnets_are_64s_of_a_48_that_the_seed_gives():
    pool = ula_pool(bytes.fromhex("0102030405ff"))
    assert str(choose([], [*DEFAULT_POOLS, pool], 6)) == "fd01:203:405::/64"
    assert ula_pool(b"").base.prefixlen == 48


def test_an_overlap_is_refused_in_dockers_words():
    with pytest.raises(
        Forbidden, match=r"^invalid pool request: Pool overlaps with other one on this address space$"
    ):
        require_free(ip_network("10.0.0.0/16"), [ip_network("10.0.3.0/24"), ip_network("fd00::/64")])
    require_free(ip_network("10.0.0.0/16"), [ip_network("10.1.0.0/16")])


@pytest.mark.parametrize("text", ["", "base=10.0.0.0/8", "base=x,size=24", "base=10.0.0.0/8,size=4"])
def test_a_pool_that_is_none(text):
    with pytest.raises(InvalidParameter, match=r"default-address-pool"):
        parse_pool(text)


def test_a_pool_is_parsed():
    assert parse_pool("base=10.0.0.0/8,size=24") == AddressPool(ip_network("10.0.0.0/8"), 24)
