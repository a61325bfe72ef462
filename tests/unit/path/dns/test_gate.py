"""The gate: which names lead through which bridge, and that the way is open before the answer is given."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from dnslib import RR, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from linkspan.path.dns.gate import Gate, addresses_in

ANSWER = DNSRecord.question("good.example")
ANSWER = ANSWER.reply()
ANSWER.add_answer(
    *RR.fromZone("good.example 60 CNAME a.example\na.example 30 A 192.0.2.1\na.example 30 AAAA 2001:db8::1")
)
ANSWER.add_ar(*RR.fromZone("other.example 60 A 192.0.2.9"))


def gate(opened: list[object]) -> Gate:
    async def opener(bridge, addresses, seconds):
        opened.append((bridge, addresses, seconds))

    return Gate((("br0", ("good.example", "*.cdn.example")), ("br1", ("good.example",))), True, opener)


@pytest.mark.parametrize(
    ("name", "bridges"),
    [
        ("good.example", ["br0", "br1"]),
        ("x.good.example", []),
        ("a.b.cdn.example", ["br0"]),
        ("cdn.example", []),
        ("evilcdn.example", []),
        ("", []),
    ],
)
def test_names(name, bridges):
    assert gate([]).bridges(name) == bridges


async def test_the_addresses_of_an_answer_are_opened_for_its_life():
    opened = []
    await gate(opened).open(["br0"], ANSWER.pack())
    assert opened == [("br0", [ip_address("192.0.2.1"), ip_address("2001:db8::1")], 30)]
    await gate(opened).open(["br0"], DNSRecord.question("good.example").reply().pack())
    assert len(opened) == 1


@given(st.binary(max_size=80))
def test_any_bytes_have_addresses_or_none(data):
    assert isinstance(addresses_in(data), list)


@given(st.integers(0, 120))
def test_cut_answers_open_nothing_false(cut):
    found = addresses_in(ANSWER.pack()[:cut])
    assert set(found) <= {ip_address("192.0.2.1"), ip_address("2001:db8::1")}
