"""The proxy's protocol: what is written is read, and runs of ports are cut and joined without loss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.path.proxy.wire import (
    DESCRIPTORS_PER_MESSAGE,
    ENTRIES_PER_MESSAGE,
    MESSAGE_SIZE,
    Entry,
    batches,
    decode,
    encode,
    merged,
    page,
    singles,
)

ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(["tcp", "udp", "sctp"]),
        st.sampled_from(["0.0.0.0", "::", "127.0.0.1"]),
        st.integers(1, 2000),
        st.sampled_from(["172.17.0.2", "fd00::2"]),
        st.integers(1, 2000),
        st.integers(1, 600),
        st.sampled_from(["", "10.0.0.0/8", "10.0.0.0/8,fd00::/8"]),
    ),
    max_size=8,
)


def _ports(entries: list[Entry]) -> list[Entry]:
    return [
        (protocol, host, port + i, target, target_port + i, 1, sources)
        for protocol, host, port, target, target_port, count, sources in entries
        for i in range(count)
    ]


@given(ENTRIES)
def test_what_is_encoded_is_decoded(entries: list[Entry]) -> None:
    assert decode(encode("add relay", entries)) == ("add relay", entries)


@given(ENTRIES)
def test_batches_keep_every_port_in_order_and_fit_the_kernels_limit(entries: list[Entry]) -> None:
    cut = batches(entries)
    assert _ports([entry for batch in cut for entry in batch]) == _ports(entries)
    assert all(sum(entry[5] for entry in batch) <= DESCRIPTORS_PER_MESSAGE for batch in cut)
    assert len(cut) == -(-len(_ports(entries)) // DESCRIPTORS_PER_MESSAGE)


def test_merging_undoes_cutting() -> None:
    run = ("tcp", "0.0.0.0", 8000, "172.17.0.2", 80, 1000, "")
    assert merged([entry for batch in batches([run]) for entry in batch]) == [run]


def test_merging_keeps_apart_what_does_not_follow() -> None:
    entries = [
        ("tcp", "0.0.0.0", 80, "172.17.0.2", 80, 1, ""),
        ("tcp", "0.0.0.0", 81, "172.17.0.2", 80, 1, ""),  # many to one
        ("tcp", "0.0.0.0", 82, "172.17.0.3", 81, 1, ""),  # another target
        ("tcp", "::", 83, "172.17.0.3", 82, 1, ""),  # another address
        ("udp", "::", 84, "172.17.0.3", 83, 1, ""),  # another protocol
        ("udp", "::", 85, "172.17.0.3", 84, 1, "10.0.0.0/8"),  # others may come
    ]
    assert merged(entries) == entries


def test_the_longest_request_fits_a_message() -> None:
    longest = (
        "sctp",
        "fe80:1111:2222:3333:4444:5555:6666:7777",
        65535,
        "fe80:" * 7 + "7777",
        65535,
        65535,
        "",
    )
    assert len(encode("ok 99999", [longest] * ENTRIES_PER_MESSAGE)) < MESSAGE_SIZE


@pytest.mark.parametrize("message", [b"close\ntcp", b"close\ntcp a b c d e", b"close\n\xff", b"close\n"])
def test_garbage_is_a_value_error(message: bytes) -> None:
    with pytest.raises(ValueError):
        decode(message)


def test_long_lists_of_sources_fit_into_messages() -> None:
    sources = ",".join(f"fd00:1111:2222:{n:x}::/64" for n in range(64))
    entries = [("tcp", "0.0.0.0", 8000 + n, "172.17.0.2", 80 + 2 * n, 1, sources) for n in range(300)]
    cut = batches(entries)
    assert [entry for batch in cut for entry in batch] == entries
    assert all(len(encode("add relay", batch)) < MESSAGE_SIZE for batch in cut)
    shown: list[Entry] = []
    while part := page(entries, len(shown)):
        assert len(encode("ok 99999", part)) < MESSAGE_SIZE
        shown += part
    assert shown == entries


def test_a_run_is_an_entry_for_each_of_its_ports():
    run = ("tcp", "::", 8000, "10.0.0.2", 80, 2, "10.0.0.0/8")
    assert singles(run) == [
        ("tcp", "::", 8000, "10.0.0.2", 80, 1, "10.0.0.0/8"),
        ("tcp", "::", 8001, "10.0.0.2", 81, 1, "10.0.0.0/8"),
    ]
    assert merged(singles(run)) == [run]
