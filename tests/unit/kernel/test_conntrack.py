"""Flows are asked for by the right side of the right tuple, and compared again."""

import struct
from dataclasses import replace
from ipaddress import ip_address

import pytest

from linkspan.kernel import conntrack, wire
from linkspan.kernel.conntrack import Wanted, WantedPort

CLIENT, HOST, INNER = ip_address("10.0.0.9"), ip_address("10.0.0.5"), ip_address("172.17.0.2")


def side(source, destination, port):
    ports = struct.pack("!H", port)
    return wire.nested(
        1, wire.attribute(1, source.packed), wire.attribute(2, destination.packed)
    ) + wire.nested(2, wire.u8(1, 17), wire.attribute(2, b"\x9c\x40"), wire.attribute(3, ports))


def message(*extra):
    original, reply = side(CLIENT, HOST, 53), side(INNER, CLIENT, 40000)
    return b"\x02\0\0\0" + wire.nested(1, original) + wire.nested(2, reply) + b"".join(extra)


FLOW = conntrack.parse_flow(message())


def _flags(body):
    found = wire.parse(wire.parse(body, 4)[25])
    return int.from_bytes(found[1], "little"), int.from_bytes(found[2], "little")


def test_a_flow_is_read_with_what_deletes_it():
    assert (FLOW.source, FLOW.destination, FLOW.reply_source) == (CLIENT, HOST, INNER)
    assert (FLOW.protocol, FLOW.destination_port) == (17, 53)
    assert FLOW.key == wire.nested(1, side(CLIENT, HOST, 53))


def test_the_kernels_id_and_zone_are_part_of_the_key():
    mark, zone = wire.attribute(12, b"\0\0\0\7"), wire.attribute(18, b"\0\1")
    assert conntrack.parse_flow(message(mark, zone)).key == FLOW.key + mark + zone


def test_an_endpoint_address_is_asked_for_as_source_and_as_who_answers():
    queries = Wanted(INNER).queries()
    assert [_flags(body) for body in queries] == [(1, 0), (0, 1)]
    assert all(body[0] == 2 and INNER.packed in body for body in queries)
    assert Wanted(ip_address("fd00::2")).queries()[0][0] == 10


@pytest.mark.parametrize(("address", "found"), [(CLIENT, True), (INNER, True), (HOST, False)])
def test_only_flows_of_the_endpoint_itself_match(address, found):
    assert Wanted(address).matches(FLOW) is found


def test_a_udp_port_is_asked_for_by_protocol_and_port_and_by_its_address_if_it_has_one():
    (anywhere,) = WantedPort(ip_address("0.0.0.0"), 53).queries()
    (there,) = WantedPort(HOST, 53).queries()
    assert (_flags(anywhere), _flags(there)) == ((8 | 32, 0), (8 | 32 | 2, 0))
    assert b"\0\x35" in anywhere
    assert HOST.packed in there


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (WantedPort(HOST, 53), True),
        (WantedPort(ip_address("0.0.0.0"), 53), True),
        (WantedPort(ip_address("::"), 53), False),
        (WantedPort(INNER, 53), False),
        (WantedPort(HOST, 54), False),
    ],
)
def test_only_flows_to_the_published_port_match(wanted, found):
    assert wanted.matches(FLOW) is found
    assert not wanted.matches(replace(FLOW, protocol=6))


def test_kernels_that_delete_by_filter():
    assert all(map(conntrack.deletes_by_filter, ("6.9.0", "6.18.44-fc", "7.0-rc1")))
    assert not any(map(conntrack.deletes_by_filter, ("6.8.12", "5.15.0-generic", "4.19", "unknown")))
