"""The cache of answers: lifetimes, bounds, and orders."""

from __future__ import annotations

from dnslib import QTYPE, RR, A, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from linkspan.path.dns.cache import LARGEST_KEY, Cache


def _answer(ttl: int = 60, last: int = 1) -> bytes:
    reply = DNSRecord.question("x.example").reply()
    reply.add_answer(RR("x.example", QTYPE.A, rdata=A(f"192.0.2.{last}"), ttl=ttl))
    return bytes(reply.pack())


def test_an_answer_is_kept_for_its_lifetime_and_counts_down() -> None:
    cache = Cache()
    answer = _answer(60)
    cache.put(b"key", [answer], 1000.0, 60)
    assert cache.get(b"key", 1000.5) == answer[2:]
    for now, left in ((1010.0, 50), (1010.9, 50), (1059.9, 1)):
        kept = cache.get(b"key", now)
        assert kept and DNSRecord.parse(b"\0\0" + kept).rr[0].ttl == left
    assert cache.get(b"key", 1060.0) is None
    assert len(cache) == 0


def test_fixed_answers_stay_as_they_are_until_cleared() -> None:
    cache = Cache()
    variants = [_answer(600, 1), _answer(600, 2)]
    cache.put_fixed(b"key", variants)
    seen = {cache.get(b"key", 10.0**9) for _ in range(100)}
    assert seen == {variant[2:] for variant in variants}
    cache.clear()
    assert cache.get(b"key", 0.0) is None


def test_what_must_not_be_kept_is_not() -> None:
    cache = Cache()
    cache.put(b"key", [_answer()], 0.0, 0)
    cache.put(b"k" * (LARGEST_KEY + 1), [_answer()], 0.0, 60)
    cache.put_fixed(b"k" * (LARGEST_KEY + 1), [_answer()])
    assert len(cache) == 0


def test_a_full_cache_forgets_the_oldest() -> None:
    cache = Cache(capacity=3)
    for key in (b"1", b"2", b"3", b"3", b"4"):
        cache.put_fixed(key, [_answer()])
    assert [cache.get(key, 0.0) is not None for key in (b"1", b"2", b"3", b"4")] == [False, True, True, True]


def test_a_recalled_answer_is_ready_until_its_ttl_falls() -> None:
    cache = Cache()
    cache.put(b"key", [_answer(60)], 1000.25, 60)
    assert cache.ready(1000.5) == {}
    assert cache.recall(b"key", 1003.5) == cache.get(b"key", 1003.5)
    assert cache.ready(1004.0) == {b"key": cache.get(b"key", 1004.0)}
    assert cache.ready(1004.25) == {}


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3), st.floats(0, 2, allow_nan=False)), max_size=60),
    st.floats(0, 1000),
)
def test_what_is_ready_is_what_would_be_looked_up(asked: list[tuple[int, int, float]], start: float) -> None:
    cache, now = Cache(capacity=3), start
    for name, seconds, later in asked:
        now += later
        key = b"%d" % name
        ready = dict(cache.ready(now))
        assert ready == {known: cache.get(known, now) for known in ready}
        if cache.recall(key, now) is None:
            cache.put(key, [_answer(seconds, name)], now, seconds)


def test_what_is_put_evicted_or_cleared_is_not_ready_any_more() -> None:
    cache = Cache(capacity=2)
    for name in (b"1", b"2"):
        cache.put_fixed(name, [_answer()])
        cache.recall(name, 0.0)
    cache.put_fixed(b"2", [_answer(last=9)])
    assert set(cache.ready(0.0)) == {b"1"}
    cache.put_fixed(b"3", [_answer()])
    assert cache.ready(0.0) == {}
    cache.recall(b"2", 0.0)
    cache.clear()
    assert cache.ready(0.0) == {}


def test_an_answer_with_several_orders_is_never_ready() -> None:
    cache = Cache()
    cache.put_fixed(b"key", [_answer(last=1), _answer(last=2)])
    assert cache.recall(b"key", 0.0)
    assert cache.ready(0.0) == {}
