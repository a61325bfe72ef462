"""Publishing: which host addresses and ports a request gets, and what if another program is faster."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.blueprint.facts import Publish
from linkspan.model.errors import LinkspanError
from linkspan.model.ports import PortBinding, PublishRequest
from linkspan.network.options import BRIDGE
from linkspan.network.publishing import udp_ports

ANY4, ANY6 = ip_address("0.0.0.0"), ip_address("::")


def chosen(sandbox):
    return [(b.protocol, str(b.host_address), b.host_port, b.container_port) for b in sandbox.bindings]


def test_ephemeral_ports_are_the_same_in_both_families_and_skip_busy_ones(house):
    first = house.join("a", publish=[PublishRequest("tcp", 80)]).bindings[0].host_port
    house.proxy.busy = {first + 1, first + 2}
    sandbox = house.join("b", publish=[PublishRequest("tcp", 80)])
    assert {binding.host_port for binding in sandbox.bindings} == {first + 3}
    assert {binding.host_address for binding in sandbox.bindings} == {ANY4, ANY6}


def test_ten_busy_ephemeral_ports_in_a_row_are_enough(house):
    house.proxy.busy = set(range(1024, 65536))
    before = house.snapshot()
    with pytest.raises(LinkspanError, match=r"failed to bind host port .*address already in use$"):
        house.join("a", publish=[PublishRequest("tcp", 80)])
    assert len([call for call in house.faults.calls if call == "reserve"]) == 10
    assert house.snapshot() == before


def test_a_range_that_is_busy_throughout(house):
    house.proxy.busy = {8000, 8001}
    before = house.snapshot()
    with pytest.raises(LinkspanError, match=r"all ports are allocated$"):
        house.join("a", publish=[PublishRequest("tcp", 80, None, 8000, 8001)])
    assert house.snapshot() == before


def test_fixed_ports_go_before_ranges(house):
    requests = [PublishRequest("tcp", 80, None, 8000, 8001), PublishRequest("tcp", 81, None, 8000, 8000)]
    found = chosen(house.join("a", publish=requests))
    assert ("tcp", "0.0.0.0", 8001, 80) in found and ("tcp", "0.0.0.0", 8000, 81) in found


def test_the_same_request_twice_is_one(house):
    assert len(house.join("a", publish=[(8080, 80), (8080, 80)]).bindings) == 2


@pytest.mark.parametrize(
    ("options", "settings", "expected"),
    [
        ((), {}, ["0.0.0.0", "::"]),
        ((), {"default_bind_address": ip_address("10.0.0.5")}, ["10.0.0.5"]),
        (((BRIDGE + "host_binding_ipv4", "127.0.0.1"),), {}, ["127.0.0.1"]),
        (((BRIDGE + "host_binding_ipv4", "0.0.0.0"),), {}, ["0.0.0.0"]),
    ],
)
def test_default_host_addresses(build, options, settings, expected):
    house = build(**settings)
    house.network("front", options=options)
    sandbox = house.join("a", "front", publish=[(8080, 80)])
    assert [address for _, address, _, _ in chosen(sandbox)] == expected


def test_a_host_without_ipv6(house, monkeypatch):
    monkeypatch.setattr("linkspan.network.publishing.ipv6_available", lambda: False)
    assert [address for _, address, _, _ in chosen(house.join("a", publish=[(8080, 80)]))] == ["0.0.0.0"]
    assert house.join("b", publish=[PublishRequest("tcp", 80, ANY6, 81, 81)]).bindings == ()


def test_routed_networks_open_ports_without_binding_any(house):
    options = ((BRIDGE + "gateway_mode_ipv4", "routed"),)
    house.network("front", options=options)
    sandbox = house.join("a", "front", publish=[PublishRequest("tcp", 80, ANY4, 8080, 8080)])
    assert chosen(sandbox) == [("tcp", "0.0.0.0", 0, 80)]
    assert not house.proxy.served and not house.ports.held()


def test_each_family_is_published_by_its_own_mode(house):
    options = ((BRIDGE + "gateway_mode_ipv6", "routed"),)
    house.network("mixed", "10.9.0.0/24", "fd00:9::/64", enable_ipv6=True, options=options)
    sandbox = house.join("web", "mixed", publish=[(8080, 80)])
    assert {(str(b.host_address), b.host_port) for b in sandbox.bindings} == {("0.0.0.0", 8080), ("::", 0)}
    assert {str(listener.host_address) for listener in house.proxy.served} == {"0.0.0.0"}
    assert {(str(f.endpoint_address), f.nat) for f in house.firewall.of(Publish)} == {
        ("10.9.0.2", True),
        ("fd00:9::2", False),
    }


def test_a_routed_network_has_no_proxy_for_the_other_family(house):
    options = ((BRIDGE + "gateway_mode_ipv4", "routed"),)
    house.network("routed", "10.9.0.0/24", options=options)
    sandbox = house.join("web", "routed", publish=[(8080, 80)])
    assert [(str(b.host_address), b.host_port) for b in sandbox.bindings] == [("0.0.0.0", 0)]


def test_udp_host_ports_are_listed_one_by_one_for_conntrack():
    bindings = [PortBinding("udp", ANY4, 5000, 50, 2), PortBinding("tcp", ANY4, 80, 80)]
    assert udp_ports(bindings) == [(ANY4, 5000), (ANY4, 5001)]
