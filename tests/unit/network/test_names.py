"""The naming rule: names that fit the kernel, and marks that lead back to their owner."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from linkspan.network import names


def test_names_of_links():
    network_id = names.new_id()
    assert re.fullmatch(r"[0-9a-f]{64}", network_id)
    assert names.bridge_name(network_id) == f"br-{network_id[:12]}"
    assert re.fullmatch(r"veth[0-9a-f]{7}", names.host_link(()))


def test_a_fresh_host_link_is_not_one_that_is_taken(monkeypatch):
    answers = iter(["aaaaaaaa", "aaaaaaaa", "bbbbbbbb"])
    monkeypatch.setattr("linkspan.network.names.secrets.token_hex", lambda size: next(answers))
    assert names.host_link({"vethaaaaaaa"}) == "vethbbbbbbb"


@given(st.sets(st.integers(0, 9)))
def test_interfaces_take_the_lowest_free_number(taken):
    name = names.interface("eth", {f"eth{number}" for number in taken})
    number = int(name.removeprefix("eth"))
    assert number not in taken and all(lower in taken for lower in range(number))


def test_mac_addresses_are_unicast_and_local():
    for mac in [names.random_mac() for _ in range(200)] + [names.bridge_mac(str(n)) for n in range(200)]:
        assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", mac)
        assert int(mac[:2], 16) & 3 == 2
    assert names.bridge_mac("x") == names.bridge_mac("x") != names.bridge_mac("y")


def test_marks_lead_back_to_their_owner():
    assert names.owner(names.network_owner("n1")) == ("network", "n1")
    assert names.owner(names.endpoint_owner("e1", "web:1")) == ("endpoint", "e1")
    assert names.owner("my own alias") is None
