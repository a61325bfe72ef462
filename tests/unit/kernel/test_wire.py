"""Netlink bytes: an independent decoder reads what we encode, and hostile input cannot break ours."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from linkspan.kernel import wire

payloads = st.dictionaries(st.integers(1, 60), st.binary(max_size=40), max_size=8)


@given(payloads)
def test_attributes_survive_a_round_trip(attributes):
    data = b"".join(wire.attribute(kind, payload) for kind, payload in attributes.items())
    assert wire.parse(data) == attributes


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_raise_value_error(data):
    for read in (wire.parse, lambda d: list(wire.split(d))):
        try:
            read(data)
        except ValueError:
            continue


@given(st.lists(st.tuples(st.integers(4, 100), st.binary(max_size=50)), max_size=5))
def test_messages_of_one_datagram_come_apart_again(messages):
    parts = [wire.message(kind, 5, 7, body) for kind, body in messages]
    datagram = b"".join(part + bytes(-len(part) % 4) for part in parts)
    assert [(kind, body) for kind, _, _, body in wire.split(datagram)] == messages


def test_a_link_message_is_read_by_pyroute2_as_we_meant_it():
    body = struct.pack("=BxHiII", 0, 0, 3, 1, 1) + b"".join(
        [
            wire.text(3, "docker0"),
            wire.u32(4, 1400),
            wire.attribute(1, bytes.fromhex("0242ac110002")),
            wire.nested(18, wire.attribute(1, b"bridge")),
        ]
    )
    decoded = ifinfmsg(wire.message(16, 5, 1, body))
    decoded.decode()
    assert decoded["index"] == 3
    assert decoded.get_attr("IFLA_IFNAME") == "docker0"
    assert decoded.get_attr("IFLA_MTU") == 1400
    assert decoded.get_attr("IFLA_ADDRESS") == "02:42:ac:11:00:02"
    assert decoded.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") == "bridge"


def test_an_error_carries_the_kernels_own_words():
    request = wire.message(16, 5, 1, b"")
    body = struct.pack("=i", -17) + request + wire.attribute(1, b"Address already assigned\0")
    error = wire.error_in(0x200, body)
    assert error is not None
    assert (error.errno, error.strerror) == (17, "Address already assigned")


def test_a_capped_error_is_read_too_and_zero_is_no_error():
    body = struct.pack("=i", -19) + wire.message(16, 5, 1, b"")[:16] + wire.attribute(1, b"gone\0")
    error = wire.error_in(0x300, body)
    assert error is not None
    assert error.strerror == "gone"
    assert wire.error_in(0, struct.pack("=i", 0) + bytes(16)) is None


def test_an_error_without_words_gets_the_systems():
    error = wire.error_in(0, struct.pack("=i", -1) + bytes(16))
    assert error is not None
    assert error.strerror == "Operation not permitted"


@pytest.mark.parametrize("length", [0, 3, 99])
def test_an_attribute_that_does_not_fit_is_refused(length):
    with pytest.raises(ValueError, match="does not fit"):
        wire.parse(struct.pack("=HH", length, 1) + b"abcd")
