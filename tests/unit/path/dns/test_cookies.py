"""Questions are known again whatever cookie they come with, and are otherwise left as they are."""

from __future__ import annotations

from dnslib import EDNS0, DNSRecord, EDNSOption
from hypothesis import given
from hypothesis import strategies as st

from linkspan.path.dns import message
from linkspan.path.dns.message import COOKIE

LABELS = st.lists(st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True), min_size=1, max_size=5)
OTHERS = st.lists(st.tuples(st.sampled_from([3, 8, 12, 65001]), st.binary(max_size=20)), max_size=3)
COOKIES = st.one_of(st.binary(min_size=8, max_size=8), st.binary(min_size=16, max_size=40))


def _query(labels: list[str], options: list[tuple[int, bytes]]) -> bytes:
    record = DNSRecord.question(".".join(labels))
    record.header.id = 7
    record.add_ar(EDNS0(udp_len=1232, opts=[EDNSOption(code, data) for code, data in options]))
    return bytes(record.pack())


@given(LABELS, OTHERS, COOKIES, st.integers(0, 3))
def test_a_cookie_makes_no_other_question(
    labels: list[str], options: list[tuple[int, bytes]], cookie: bytes, place: int
) -> None:
    with_cookie = [*options[:place], (COOKIE, cookie), *options[place:]]
    assert message.without_cookie(_query(labels, with_cookie)) == _query(labels, options)


@given(LABELS, OTHERS)
def test_what_has_no_cookie_stays(labels: list[str], options: list[tuple[int, bytes]]) -> None:
    query = _query(labels, options)
    plain = bytes(DNSRecord.question(".".join(labels)).pack())
    assert message.without_cookie(query) == query
    assert message.without_cookie(plain) == plain


@given(LABELS, OTHERS, COOKIES, st.data())
def test_a_damaged_query_is_not_mended(
    labels: list[str], options: list[tuple[int, bytes]], cookie: bytes, data: st.DataObject
) -> None:
    query = _query(labels, [*options, (COOKIE, cookie)])
    cut = query[: data.draw(st.integers(0, len(query) - 1))]
    assert message.without_cookie(cut) == cut
    longer = query + data.draw(st.binary(min_size=1, max_size=9))
    assert message.without_cookie(longer) == longer


@given(st.binary(max_size=80))
def test_noise_is_left_alone_or_shortened(noise: bytes) -> None:
    head = b"\0\7\1\0\0\1\0\0\0\0\0\1"
    for query in (noise, head + noise, head + b"\0\0\1\0\1\0\0\x29\4\xd0\0\0\0\0" + noise):
        left = message.without_cookie(query)
        assert left == query or len(left) < len(query)
        assert message.without_cookie(left) == left


def test_a_signed_query_keeps_its_cookie() -> None:
    query = bytearray(_query(["web"], [(COOKIE, b"12345678")]) + b"\0\0\xfa\0\xff\0\0\0\0\0\0")
    query[11] = 2  # additional records: OPT, then TSIG
    assert message.without_cookie(bytes(query)) == query
