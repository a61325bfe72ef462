"""Egress lists: what an option means, what is refused, and how long an answer keeps a way open."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.blueprint.facts import EgressOpen
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import NetworkSpec
from linkspan.network.egress import EGRESS, EgressList, OpenNames, check_egress, egress_list
from linkspan.network.settings import NetworkSettings

A, B = ip_address("192.0.2.1"), ip_address("2001:db8::1")
SPEC = NetworkSpec("n", options=((EGRESS, "10.0.0.0/8"),))


def test_addresses_and_names_of_a_list():
    found = egress_list({EGRESS: "10.0.0.0/8, Example.ORG.,*.cdn.example,fd00::/8,localhost"})
    assert found == EgressList(
        (ip_network("10.0.0.0/8"), ip_network("fd00::/8")), ("example.org", "*.cdn.example", "localhost")
    )
    assert found.of_family(6) == (ip_network("fd00::/8"),)
    assert egress_list({}) is None
    assert egress_list({EGRESS: ""}) == EgressList()


@pytest.mark.parametrize(
    "text", ["10.0.0.1/8", "*", "exa mple.org", "-a.example", "300.1.1.1", "*.*.example"]
)
def test_lists_that_cannot_be_read(text):
    with pytest.raises(InvalidParameter, match=r"invalid option linkspan\.egress\.allow="):
        egress_list({EGRESS: text})


def test_too_many_names():
    with pytest.raises(InvalidParameter, match="257 names are too many"):
        egress_list({EGRESS: ",".join(f"n{n}.example" for n in range(257))})


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        found = egress_list({EGRESS: text})
    except InvalidParameter:
        return
    assert found is not None


@pytest.mark.parametrize(
    ("fields", "settings", "words"),
    [
        ({"driver": "macvlan"}, {}, "needs the driver bridge, and n is macvlan"),
        ({"internal": True}, {}, "the internal network n has no way out at all"),
        ({}, {"iptables": False}, "--iptables=false"),
        ({"enable_ipv6": True}, {"ip6tables": False}, "--ip6tables=false"),
    ],
)
def test_what_nothing_would_enforce(fields, settings, words):
    with pytest.raises(InvalidParameter, match=words):
        check_egress(replace(SPEC, **fields), NetworkSettings(**settings))
    check_egress(SPEC, NetworkSettings(ip6tables=False))
    check_egress(replace(SPEC, options=(), **fields), NetworkSettings(**settings))


class Facts(set):
    def remove(self, facts):
        self.difference_update(facts)

    add = set.update


def test_answers_open_a_way_until_they_have_expired():
    facts, now = Facts(), [0.0]
    names = OpenNames(facts, lambda: now[0])
    names.admit("br0", [A, B], 60)
    assert facts == {EgressOpen("br0", A), EgressOpen("br0", B)}
    now[0] = 50.0
    names.admit("br0", [A], 60)
    names.admit("br0", [A], 1)
    assert names.sweep() == pytest.approx(40.0)
    now[0] = 90.0
    assert names.sweep() == pytest.approx(50.0)
    assert facts == {EgressOpen("br0", A)}
    now[0] = 140.0
    assert names.sweep() == 0
    assert facts == set()


def test_a_network_that_goes_takes_its_ways_along():
    facts = Facts()
    names = OpenNames(facts)
    for bridge in ("br0", "br1"):
        names.admit(bridge, [A], 60)
    names.forget("br0")
    assert facts == {EgressOpen("br1", A)}
