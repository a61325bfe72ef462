from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from linkspan.firewall.render.elements import Element, Set, batches, interface
from linkspan.firewall.render.table import SETS

FOUR, SIX = SETS[4], SETS[6]
WEB = ip_address("172.17.0.2").packed
TCP_80 = bytes([6, 0, 0, 0, 0, 80, 0, 0])
TCP_81 = bytes([6, 0, 0, 0, 0, 81, 0, 0])


def tree(data: bytes) -> list[tuple[int, object]]:
    """The attributes of a message, nested ones as lists; lengths and padding are checked on the way."""
    found, offset = [], 0
    while offset < len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        assert length % 4 == 0 and length >= 4
        payload = data[offset + 4 : offset + length]
        found.append((kind & 0x7FFF, tree(payload) if kind & 0x8000 else payload))
        offset += length
    assert offset == len(data)
    return found


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (FOUR["bridges"], "{ type ifname;"),
        (FOUR["ranges"], "{ type ipv4_addr . inet_proto . inet_service : ipv4_addr; flags interval;"),
        (SIX["ports"], "{ type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service;"),
        (FOUR["default"], "{ type ifname : verdict; counter;"),
    ],
)
def test_a_sets_specification(of: Set, words: str) -> None:
    assert of.specification() == f'{words} comment "{of.about}"; }}'
    assert of.kind == ("map" if of.data else "set")


@pytest.mark.parametrize(
    ("element", "text"),
    [
        (Element(FOUR["bridges"], interface("docker0")), 'bridges { "docker0" }'),
        (
            Element(FOUR["ports"], WEB + TCP_80, data=WEB + bytes([0, 81, 0, 0])),
            "ports { 172.17.0.2 . tcp . 80 : 172.17.0.2 . 81 }",
        ),
        (
            Element(FOUR["open_ranges"], WEB + TCP_80, WEB + TCP_81),
            "open_ranges { 172.17.0.2 . tcp . 80-81 }",
        ),
        (
            Element(FOUR["within"], interface("a") * 2, data=bytes([0, 0, 0, 1])),
            'within { "a" . "a" : accept }',
        ),
        (Element(FOUR["default"], interface("a"), data=bytes(4)), 'default { "a" : drop }'),
        (Element(SIX["guarded"], ip_address("fd00::2").packed), "guarded { fd00::2 }"),
        (Element(FOUR["ports_any"], bytes([99]) + TCP_80[1:]), "ports_any { 99 . 80 }"),
    ],
)
def test_an_element_in_nfts_words(element: Element, text: str) -> None:
    assert element.text() == text


def test_the_wire_form_of_a_single_value() -> None:
    element = Element(FOUR["ports"], WEB + TCP_80, data=WEB + bytes([0, 81, 0, 0]))
    key, data = (1, [(1, WEB + TCP_80)]), (2, [(1, WEB + bytes([0, 81, 0, 0]))])
    assert tree(element.wire()) == [(1, [key, data])]


def test_the_wire_form_of_a_range_in_a_concatenation() -> None:
    element = Element(FOUR["ranges"], WEB + TCP_80, WEB + TCP_81, WEB)
    assert tree(element.wire()) == [
        (1, [(1, [(1, WEB + TCP_80)]), (10, [(1, WEB + TCP_81)]), (2, [(1, WEB)])])
    ]


def test_the_wire_form_of_a_range_over_one_field_is_a_start_and_what_comes_after() -> None:
    low, high, after = bytes([172, 17, 0, 0]), bytes([172, 17, 255, 255]), bytes([172, 18, 0, 0])
    assert tree(Element(FOUR["sources"], low, high, WEB).wire()) == [
        (1, [(1, [(1, low)]), (2, [(1, WEB)])]),
        (1, [(3, bytes([0, 0, 0, 1])), (1, [(1, after)])]),
    ]


def test_after_the_last_address_comes_nothing() -> None:
    low, high = bytes([240, 0, 0, 0]), bytes([255] * 4)
    assert tree(Element(FOUR["masqueraded"], low, high).wire()) == [(1, [(1, [(1, low)])])]


def test_the_wire_form_of_a_verdict() -> None:
    element = Element(FOUR["default"], interface("a"), data=bytes([0, 0, 0, 1]))
    assert tree(element.wire())[0][1][1] == (2, [(2, [(1, bytes([0, 0, 0, 1]))])])


def test_a_link_name_is_sixteen_bytes() -> None:
    assert interface("docker0") == b"docker0" + bytes(9)
    assert len(interface("x" * 15)) == 16
    with pytest.raises(ValueError, match='"xxxxxxxxxxxxxxxx" is longer than 15 bytes'):
        interface("x" * 16)


def test_batches_are_of_one_set_and_fit_an_attribute() -> None:
    ports = [Element(FOUR["open_ports"], WEB + struct.pack("!B3xH2x", 6, n)) for n in range(3000)]
    cut = batches([*ports[:10], Element(FOUR["bridges"], interface("a")), *ports[10:]])
    assert [of.name for of, _, _ in cut].count("bridges") == 1
    assert [element for of, some, _ in cut if of.name == "open_ports" for element in some] == ports
    assert all(len(payload) < 65_000 for _, _, payload in cut)
    assert b"".join(element.wire() for element in ports) == b"".join(
        payload for of, _, payload in cut if of.name == "open_ports"
    )
    assert batches([]) == []
