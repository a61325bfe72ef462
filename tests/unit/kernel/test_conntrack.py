"""Requests that delete flows name the right side of the right tuple."""

from ipaddress import ip_address

from linkspan.kernel import conntrack
from linkspan.kernel.wire import parse


def _flags(body):
    found = parse(parse(body, 4)[25])
    return int.from_bytes(found[1], "little"), int.from_bytes(found[2], "little")


def test_an_endpoint_address_is_flushed_as_source_destination_and_translation():
    bodies = conntrack.deletions([ip_address("172.17.0.2")], [])
    assert [_flags(body) for body in bodies] == [(1, 0), (2, 0), (0, 1)]
    assert all(body[0] == 2 for body in bodies)
    assert all(ip_address("172.17.0.2").packed in body for body in bodies)


def test_an_ipv6_address_is_flushed_in_its_own_family():
    assert conntrack.deletions([ip_address("fd00::2")], [])[0][0] == 10


def test_a_udp_port_on_any_address_is_matched_by_protocol_and_port_only():
    (body,) = conntrack.deletions([], [(ip_address("0.0.0.0"), 53)])
    assert _flags(body) == (8 | 32, 0)
    assert b"\x00\x35" in body


def test_a_udp_port_on_one_address_is_matched_by_that_too():
    (body,) = conntrack.deletions([], [(ip_address("10.0.0.5"), 53)])
    assert _flags(body) == (8 | 32 | 2, 0)
    assert ip_address("10.0.0.5").packed in body
