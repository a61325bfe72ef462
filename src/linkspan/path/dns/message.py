"""DNS messages as bytes: question, lifetimes, what fits a datagram, answers made (RFC 1035, 2308, 6891)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

A, CNAME, SOA, PTR, MX, TXT, AAAA, OPT, ANY = 1, 5, 6, 12, 15, 16, 28, 41, 255
INTERNET = 1
COOKIE = 10  # an option of OPT
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5
PLAIN_LIMIT = 512  # bytes of an answer to a client that says nothing else (RFC 1035 4.2.1)
OUR_LIMIT = 1232  # what we say we take (the DNS flag day's advice)
LONGEST_LIFETIME = 3600  # seconds
HEADER = struct.Struct("!6H")
RECORD_TAIL = struct.Struct("!HHIH")  # type, class, TTL, length of data


class Malformed(ValueError):
    """Not a DNS message that can be read."""


@dataclass(frozen=True, slots=True)
class Question:
    """The one question of a query. `name` is lower case without the last dot; `end` is where it ends."""

    name: str
    type: int
    klass: int
    end: int


@dataclass(frozen=True, slots=True)
class Record:
    """Where a resource record is in its message: type, TTL in seconds, and offsets."""

    section: int  # 0 answer, 1 authority, 2 additional
    type: int
    klass: int
    lifetime: int
    lifetime_at: int
    data: bytes


def question_of(message: bytes) -> Question:
    """Return the question of `message`; raises Malformed unless it has exactly one."""
    if len(message) < 12 or HEADER.unpack_from(message)[2] != 1:
        raise Malformed("not exactly one question")
    labels, at = [], 12
    try:
        while length := message[at]:
            if length > 63 or at > 12 + 255:
                raise Malformed("a label of the question is too long or compressed")
            labels.append(message[at + 1 : at + 1 + length])
            at += 1 + length
        kind, klass = struct.unpack_from("!HH", message, at + 1)
    except (IndexError, struct.error) as error:
        raise Malformed("the question is cut short") from error
    return Question(b".".join(labels).decode("latin-1").lower(), kind, klass, at + 5)


def records(message: bytes) -> Iterator[Record]:
    """Yield the records of `message` in order; raises Malformed."""
    counts = HEADER.unpack_from(message)[3:]
    at = question_of(message).end
    for section, count in enumerate(counts):
        for _ in range(count):
            at = _after_name(message, at)
            try:
                kind, klass, lifetime, length = RECORD_TAIL.unpack_from(message, at)
            except struct.error as error:
                raise Malformed("a record is cut short") from error
            data = message[at + 10 : at + 10 + length]
            if len(data) != length:
                raise Malformed("a record's data are cut short")
            yield Record(section, kind, klass, lifetime, at + 4, data)
            at += 10 + length


def _after_name(message: bytes, at: int) -> int:
    try:
        while length := message[at]:
            if length >= 192:
                return at + 2
            at += 1 + length
    except IndexError as error:
        raise Malformed("a name is cut short") from error
    return at + 1


def without_cookie(query: bytes) -> bytes:
    """Return `query` without its DNS cookie, which is between a client and one server (RFC 7873).

    Cookies are random: with them no question would be asked twice. A query that has none, is signed or cannot
    be read is returned as it is.
    """
    if query[4:12] != b"\0\1\0\0\0\0\0\1":  # one question, one additional record
        return query
    try:
        at = question_of(query).end
    except Malformed:
        return query
    start = at + 11
    if query[at : at + 3] != b"\0\0\x29" or len(query) != start + int.from_bytes(
        query[start - 2 : start], "big"
    ):
        return query
    kept, at = b"", start
    while at < len(query):
        end = at + 4 + int.from_bytes(query[at + 2 : at + 4], "big")
        if end > len(query) or at + 4 > len(query):
            return query
        kept += b"" if int.from_bytes(query[at : at + 2], "big") == COOKIE else query[at:end]
        at = end
    return query[: start - 2] + len(kept).to_bytes(2, "big") + kept


def response_code(message: bytes) -> int:
    """Return the RCODE."""
    return message[3] & 0x0F


def is_response(message: bytes) -> bool:
    """Say whether the QR bit is set."""
    return bool(message[2] & 0x80)


def is_truncated(message: bytes) -> bool:
    """Say whether the TC bit is set."""
    return bool(message[2] & 0x02)


def datagram_limit(query: bytes) -> int:
    """Return how many bytes of answer the client takes by UDP (its OPT record, or 512)."""
    if not HEADER.unpack_from(query)[5]:
        return PLAIN_LIMIT
    for record in records(query):
        if record.type == OPT:
            return max(PLAIN_LIMIT, record.klass)
    return PLAIN_LIMIT


def fitted(answer: bytes, limit: int) -> bytes:
    """Return `answer` if it fits `limit` bytes, else as many whole records of it as do, marked truncated."""
    if len(answer) <= limit:
        return answer
    end = question_of(answer).end
    count = 0
    for record in records(answer):
        following = record.lifetime_at + 6 + len(record.data)
        if record.section or following > limit:
            break
        end, count = following, count + 1
    identity, flags, *_ = HEADER.unpack_from(answer)
    return HEADER.pack(identity, flags | 0x0200, 1, count, 0, 0) + answer[12:end]


def lifetime(answer: bytes) -> int:
    """Return for how many seconds `answer` may be kept: its smallest TTL, or the negative TTL of its SOA.

    0 for what must not be kept: failures, truncated answers, negative ones without SOA (RFC 2308, 5).
    """
    if is_truncated(answer) or response_code(answer) not in (NOERROR, NXDOMAIN):
        return 0
    asked = question_of(answer).type
    found = list(records(answer))
    answers = [record for record in found if record.section == 0]
    times = [record.lifetime for record in answers]
    if not any(record.type == asked or asked == ANY for record in answers):
        starts = [record for record in found if record.section == 1 and record.type == SOA]
        if not starts:
            return 0
        times += [min(start.lifetime, int.from_bytes(start.data[-4:], "big")) for start in starts]
    return min(*times, LONGEST_LIFETIME)


def lifetime_offsets(answer: bytes) -> tuple[int, ...]:
    """Return where the TTLs are that count down while `answer` is kept (OPT has none)."""
    return tuple(record.lifetime_at for record in records(answer) if record.type != OPT)


def aged(answer: bytes, offsets: Sequence[int], seconds: int) -> bytes:
    """Return `answer` with the TTLs at `offsets` less by `seconds`."""
    result = bytearray(answer)
    for at in offsets:
        left = max(0, int.from_bytes(result[at : at + 4], "big") - seconds)
        result[at : at + 4] = left.to_bytes(4, "big")
    return bytes(result)


def failure(query: bytes, code: int) -> bytes:
    """Return the answer to `query` that has nothing but the response code `code`."""
    identity, flags, *_ = HEADER.unpack_from(query)
    try:
        question = query[12 : question_of(query).end]
    except Malformed:
        question = b""
    flags = 0x8080 | flags & 0x7900 | code  # response, recursion available; opcode and RD as asked
    return HEADER.pack(identity, flags, 1 if question else 0, 0, 0, 0) + question


def positive(
    query: bytes, question: Question, found: Sequence[IPv4Address | IPv6Address | str], seconds: int
) -> bytes:
    """Return the answer with an A, AAAA or (text) PTR record for each of `found`; none is NOERROR, empty.

    The question's bytes are given back as they came: clients may compare its mixed case. Raises Malformed for
    a PTR text that is no domain name.
    """
    identity, flags, *_ = HEADER.unpack_from(query)
    answers = [_record(item, seconds) for item in found]
    options = _OPTIONS if any(record.type == OPT for record in records(query)) else b""
    header = HEADER.pack(identity, 0x8080 | flags & 0x0100, 1, len(answers), 0, 1 if options else 0)
    return header + query[12 : question.end] + b"".join(answers) + options


_SAME_NAME = b"\xc0\x0c"  # a pointer to the question's name
_OPTIONS = b"\0" + RECORD_TAIL.pack(OPT, OUR_LIMIT, 0, 0)


def _record(item: IPv4Address | IPv6Address | str, seconds: int) -> bytes:
    if isinstance(item, str):
        kind, data = PTR, encoded_name(item)
    else:
        kind, data = A if item.version == 4 else AAAA, item.packed
    return _SAME_NAME + RECORD_TAIL.pack(kind, INTERNET, seconds, len(data)) + data


def encoded_name(name: str) -> bytes:
    """Return `name` as labels on the wire; raises Malformed for a label that is empty or longer than 63."""
    labels = [label.encode() for label in name.rstrip(".").split(".")]
    if not all(0 < len(label) < 64 for label in labels):
        raise Malformed(f"not a domain name: {name}")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
