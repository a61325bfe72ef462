"""DNS messages: dnslib is the oracle for what we read and write by hand."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from dnslib import AAAA, EDNS0, QTYPE, RR, SOA, A, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from linkspan.path.dns import message

LABELS = st.lists(st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True), min_size=1, max_size=5)
ADDRESSES = st.lists(st.ip_addresses(), max_size=20)


def _query(name: str, kind: str = "A", edns: int = 0) -> bytes:
    record = DNSRecord.question(name, kind)
    if edns:
        record.add_ar(EDNS0(udp_len=edns))
    return bytes(record.pack())


@given(LABELS, st.sampled_from(["A", "AAAA", "PTR", "MX", "ANY"]))
def test_the_question_is_read_as_dnslib_writes_it(labels: list[str], kind: str) -> None:
    name = ".".join(labels)
    query = _query(name, kind)
    question = message.question_of(query)
    assert question == message.Question(name.lower(), getattr(QTYPE, kind), 1, len(query))


@given(LABELS, ADDRESSES, st.booleans())
def test_dnslib_reads_our_answers(labels: list[str], addresses: list[object], edns: bool) -> None:
    name = ".".join(labels)
    query = _query(name, "ANY", 1232 if edns else 0)
    answer = message.positive(query, message.question_of(query), addresses, 600)  # type: ignore[arg-type]
    parsed = DNSRecord.parse(answer)
    assert parsed.header.id == DNSRecord.parse(query).header.id
    assert (parsed.header.qr, parsed.header.ra, parsed.header.rd, parsed.header.rcode) == (1, 1, 1, 0)
    assert [ip_address(str(record.rdata)) for record in parsed.rr] == addresses
    assert all(record.ttl == 600 and str(record.rname) == f"{name}." for record in parsed.rr)
    assert len(parsed.ar) == edns


def test_a_ptr_answer() -> None:
    query = _query("3.0.18.172.in-addr.arpa", "PTR")
    answer = message.positive(query, message.question_of(query), ["web.app_net"], 600)
    assert str(DNSRecord.parse(answer).rr[0].rdata) == "web.app_net."


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64])
def test_names_that_do_not_fit_the_wire(name: str) -> None:
    with pytest.raises(message.Malformed):
        message.encoded_name(name)


@given(st.binary(max_size=120))
def test_garbage_is_malformed_and_nothing_else(data: bytes) -> None:
    for reader in (message.question_of, lambda raw: list(message.records(raw)), message.lifetime):
        try:
            reader(data if len(data) > 12 else data.ljust(12, b"\0"))
        except message.Malformed:
            continue
    assert message.failure(data.ljust(12, b"\0"), message.FORMERR)[3] & 15 == message.FORMERR


@given(st.integers(0, 80), st.binary(max_size=3))
def test_cut_answers_are_malformed(cut: int, tail: bytes) -> None:
    query = _query("web.example")
    answer = message.positive(query, message.question_of(query), [ip_address("10.0.0.1")] * 3, 60)
    damaged = answer[: max(12, len(answer) - cut)] + tail
    try:
        list(message.records(damaged))
    except message.Malformed:
        return
    assert tail or not cut  # a tail may happen to end a shorter record well


def test_failure_gives_the_question_back() -> None:
    query = _query("Web.Example")
    parsed = DNSRecord.parse(message.failure(query, message.SERVFAIL))
    assert (str(parsed.q.qname), parsed.header.rcode, parsed.header.qr) == ("Web.Example.", 2, 1)


def test_datagram_limits() -> None:
    assert message.datagram_limit(_query("a")) == 512
    assert message.datagram_limit(_query("a", edns=4096)) == 4096
    assert message.datagram_limit(_query("a", edns=100)) == 512


def test_what_does_not_fit_is_cut_at_a_record_and_marked() -> None:
    query = _query("web", edns=1232)
    addresses = [ip_address(f"10.0.0.{n}") for n in range(60)]
    answer = message.positive(query, message.question_of(query), addresses, 600)
    assert message.fitted(answer, len(answer)) is answer
    cut = message.fitted(answer, 512)
    parsed = DNSRecord.parse(cut)
    assert len(cut) <= 512
    assert parsed.header.tc == 1
    assert [str(record.rdata) for record in parsed.rr] == [str(address) for address in addresses[:30]]


def _answer(*records: RR, authority: tuple[RR, ...] = (), rcode: int = 0, kind: str = "A") -> bytes:
    reply = DNSRecord.question("x.example", kind).reply()
    reply.add_answer(*records)
    reply.add_auth(*authority)
    reply.header.rcode = rcode
    return bytes(reply.pack())


SOA_RECORD = RR("example", QTYPE.SOA, rdata=SOA("ns.example", "root.example", (1, 2, 3, 4, 30)), ttl=300)


def test_how_long_an_answer_may_be_kept() -> None:
    one, two = (RR("x.example", QTYPE.A, rdata=A("192.0.2.1"), ttl=ttl) for ttl in (50, 20))
    assert message.lifetime(_answer(one, two)) == 20
    assert message.lifetime(_answer(RR("x.example", QTYPE.A, rdata=A("192.0.2.1"), ttl=10**6))) == 3600
    assert message.lifetime(_answer(authority=(SOA_RECORD,), rcode=3)) == 30
    assert message.lifetime(_answer(authority=(SOA_RECORD,))) == 30
    assert message.lifetime(_answer(RR("x.example", QTYPE.AAAA, rdata=AAAA("::1"), ttl=9))) == 0
    assert message.lifetime(_answer(rcode=3)) == 0
    assert message.lifetime(_answer(one, rcode=2)) == 0
    truncated = bytearray(_answer(one))
    truncated[2] |= 2
    assert message.lifetime(bytes(truncated)) == 0


def test_lifetimes_count_down_and_stop_at_zero() -> None:
    records = [RR("x.example", QTYPE.A, rdata=A("192.0.2.1"), ttl=ttl) for ttl in (50, 3)]
    answer = _answer(*records)
    older = message.aged(answer, message.lifetime_offsets(answer), 10)
    assert [record.ttl for record in DNSRecord.parse(older).rr] == [40, 0]
