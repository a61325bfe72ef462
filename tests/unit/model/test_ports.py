"""Ports: a request leaves open what it does not say, and bindings sort by what they bind."""

from __future__ import annotations

from ipaddress import ip_address

from linkspan.model.ports import PROTOCOLS, PortBinding, PublishRequest


def test_a_request_leaves_address_and_port_open():
    request = PublishRequest("tcp", 80)
    assert (request.host_address, request.first, request.last) == (None, 0, 0)


def test_bindings_sort_by_protocol_address_and_port():
    low, high = ip_address("10.0.0.1"), ip_address("10.0.0.2")
    bindings = [PortBinding("udp", low, 1, 1), PortBinding("tcp", high, 1, 1), PortBinding("tcp", low, 2, 1)]
    assert sorted(bindings) == [bindings[2], bindings[1], bindings[0]]
    assert PROTOCOLS == ("tcp", "udp", "sctp")
