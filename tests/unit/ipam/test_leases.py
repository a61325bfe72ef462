"""Leases: the lowest free address, every address once, reservations never."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.ipam.leases import Leases, default_gateway
from linkspan.model.errors import Forbidden, InvalidParameter, Unavailable
from linkspan.model.network import Pool


def pool(subnet, gateway=None, ip_range=None, auxiliary=()):
    network = ip_network(subnet)
    return Pool(
        network,
        ip_address(gateway) if gateway else default_gateway(Pool(network)),
        ip_network(ip_range) if ip_range else None,
        tuple((f"aux{n}", ip_address(a)) for n, a in enumerate(auxiliary)),
    )


def test_containers_get_2_3_4_in_order_and_a_freed_address_comes_first():
    leases = Leases(pool("172.17.0.0/16"))
    assert [str(leases.take_next()) for _ in range(3)] == ["172.17.0.2", "172.17.0.3", "172.17.0.4"]
    leases.release(ip_address("172.17.0.3"))
    assert str(leases.take_next()) == "172.17.0.3"
    assert str(leases.take_next()) == "172.17.0.5"


@pytest.mark.parametrize(
    ("subnet", "free"),
    [
        ("10.0.0.0/30", ["10.0.0.2"]),
        ("10.0.0.0/31", ["10.0.0.1"]),
        ("10.0.0.5/32", []),
        ("fd00::/126", ["fd00::2", "fd00::3"]),
        ("fd00::/127", ["fd00::1"]),
        ("fd00::7/128", []),
    ],
)
def test_small_subnets(subnet, free):
    leases = Leases(pool(subnet))
    assert leases.available() == len(free)
    assert [str(leases.take_next()) for _ in free] == free
    with pytest.raises(Unavailable, match=r"^no available addresses on this pool$"):
        leases.take_next()


def test_dynamic_addresses_come_from_the_range_and_fixed_ones_from_anywhere():
    leases = Leases(pool("10.0.0.0/16", "10.0.5.0", "10.0.5.0/30", ["10.0.5.1"]))
    assert str(leases.take_next()) == "10.0.5.2"
    assert leases.take(ip_address("10.0.9.9")) == ip_address("10.0.9.9")
    assert str(leases.take_next()) == "10.0.5.3"
    with pytest.raises(Unavailable):
        leases.take_next()


def test_fixed_addresses_are_refused_in_dockers_words():
    leases = Leases(pool("10.0.0.0/24"), [ip_address("10.0.0.9")])
    for taken in ("10.0.0.0", "10.0.0.1", "10.0.0.9", "10.0.0.255"):
        with pytest.raises(Forbidden, match=r"^Address already in use$"):
            leases.take(ip_address(taken))
    with pytest.raises(InvalidParameter, match=r"^requested address is out of range$"):
        leases.take(ip_address("10.0.1.1"))


def test_the_default_gateway_is_the_first_address_of_the_range():
    assert str(default_gateway(Pool(ip_network("10.0.0.0/24")))) == "10.0.0.1"
    assert (
        str(default_gateway(Pool(ip_network("10.0.0.0/16"), ip_range=ip_network("10.0.5.0/24"))))
        == "10.0.5.0"
    )
    assert str(default_gateway(Pool(ip_network("fd00::/64")))) == "fd00::1"


SMALL = Pool(ip_network("10.0.0.0/27"), ip_address("10.0.0.1"), auxiliary=(("a", ip_address("10.0.0.7")),))
STEPS = st.lists(st.one_of(st.just("next"), st.integers(0, 31), st.integers(-32, -1)), max_size=80)


@given(STEPS)
def test_any_sequence_gives_each_address_once_and_always_the_lowest(steps):
    leases, model = Leases(SMALL), set()
    never = {0, 1, 7, 31}
    base = int(SMALL.subnet.network_address)
    for step in steps:
        free = sorted(set(range(32)) - never - model)
        if step == "next":
            if free:
                assert int(leases.take_next()) - base == free[0]
                model.add(free[0])
            else:
                with pytest.raises(Unavailable):
                    leases.take_next()
        elif step >= 0:
            address = SMALL.subnet[step]
            if step in free:
                leases.take(address)
                model.add(step)
            else:
                with pytest.raises(Forbidden):
                    leases.take(address)
        else:
            leases.release(SMALL.subnet[-step - 1])
            model.discard(-step - 1)
        assert {int(a) - base for a in leases.leased()} == model
        assert leases.available() == 32 - len(never) - len(model)


def test_a_claimed_address_is_for_its_claimant():
    leases = Leases(Pool(ip_network("10.0.0.0/29"), ip_address("10.0.0.1")))
    first, second = ip_address("10.0.0.2"), ip_address("10.0.0.3")
    for owner in ("web", "db", "web"):
        leases.claim(first, owner)
    before = leases.available()
    assert (leases.claimant(first), leases.claimant(second)) == ("web", "")
    assert leases.take_next() == second and leases.available() == before - 1
    with pytest.raises(Forbidden, match="Address already in use"):
        leases.take(first, "db")
    leases.waive(first, "web")
    assert leases.take(first, "db") == first
    leases.release(first)
    leases.waive(first, "db")
    leases.waive(first, "nobody")
    assert leases.take_next() == first


def test_claims_outlive_the_leases_that_they_were_made_on():
    pool = Pool(ip_network("10.0.0.0/29"))
    leases = Leases(pool)
    leases.claim(ip_address("10.0.0.1"), "web")
    assert Leases(pool, claims=leases.claims).claimant(ip_address("10.0.0.1")) == "web"


PAIR = (
    Pool(ip_network("10.0.0.0/29"), ip_address("10.0.0.1")),
    Pool(ip_network("10.0.9.0/28"), ip_address("10.0.9.1"), ip_network("10.0.9.8/29")),
)


@given(st.lists(st.one_of(st.just("next"), st.integers(0, 23)), max_size=60))
def test_several_pools_are_filled_one_after_the_other(steps):
    leases, held = Leases(PAIR[0], further=PAIR[1:]), set()
    every = [*PAIR[0].subnet, *PAIR[1].subnet]
    never = {"10.0.0.0", "10.0.0.1", "10.0.0.7", "10.0.9.0", "10.0.9.1", "10.0.9.15"}
    by_itself = [a for a in every if str(a) not in never and (a in PAIR[0].subnet or a in PAIR[1].ip_range)]
    for step in steps:
        free = [address for address in by_itself if address not in held]
        if step != "next" and every[step] in held:
            leases.release(every[step])
            held.discard(every[step])
        elif step != "next" and str(every[step]) in never:
            with pytest.raises(Forbidden):
                leases.take(every[step])
        elif step != "next":
            held.add(leases.take(every[step]))
        elif free:
            assert leases.take_next() == free[0]
            held.add(free[0])
        else:
            with pytest.raises(Unavailable):
                leases.take_next()
        assert set(leases.leased()) == held
        left = [address for address in by_itself if address not in held]
        assert leases.available() == len(left)
        assert leases.available(PAIR[1]) == sum(address in PAIR[1].subnet for address in left)


def test_an_address_of_none_of_the_pools():
    with pytest.raises(InvalidParameter, match="out of range"):
        Leases(PAIR[0], further=PAIR[1:]).take(ip_address("10.0.8.1"))
