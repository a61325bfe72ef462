"""Durations, sizes, switches, numbers, command lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.compose import values


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("1m30s", "1m30s"),
        ("90s", "1m30s"),
        ("90m", "1h30m0s"),
        ("500ms", "500ms"),
        ("1.5s", "1.5s"),
        ("10us", "10µs"),
        ("3ns", "3ns"),
        ("1d", "24h0m0s"),
        ("0", "0s"),
        ("1h", "1h0m0s"),
    ],
)
def test_durations_are_written_as_go_writes_them(given_text, shown):
    assert values.duration(given_text) == shown


@given(st.integers(min_value=1, max_value=10**18))
def test_a_written_duration_reads_the_same(nanoseconds):
    assert values.nanoseconds(values.duration(f"{nanoseconds}ns")) == nanoseconds


@pytest.mark.parametrize("text", ["", "5", "5x", "s", "1m 30s", "-1s", "1h30"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="not a duration"):
        values.nanoseconds(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512),
        (512, 512),
        ("1k", 1024),
        ("1.5GB", 1610612736),
        ("10 mb", 10485760),
        ("2GiB", 2**31),
        ("-1", -1),
    ],
)
def test_sizes(text, size):
    assert values.size(text) == size


@pytest.mark.parametrize("text", ["", "x", "1q", "1 2", "-5"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="not a size"):
        values.size(text)


def test_switches():
    assert [values.boolean(each) for each in (True, "true", "1", "yes")] == [True] * 4
    assert [values.boolean(each) for each in (False, "false", "off", "")] == [False] * 4
    with pytest.raises(ValueError, match="neither true nor false"):
        values.boolean("maybe")


def test_numbers():
    assert values.integer("0x10") == 16
    assert values.number("0.50") == 0.5
    assert values.number("2.0") == 2
    assert isinstance(values.number("2.0"), int)
    for bad in (lambda: values.integer("x"), lambda: values.number("x")):
        with pytest.raises(ValueError, match="not a"):
            bad()


def test_texts_of_scalars():
    assert [values.text(each) for each in (None, True, 1.0, 1.5, 3, "x")] == [
        "",
        "true",
        "1",
        "1.5",
        "3",
        "x",
    ]


def test_command_lines():
    assert values.command_line("sh -c 'a b'") == ["sh", "-c", "a b"]
    assert values.command_line(["a", 1]) == ["a", "1"]
    assert values.command_line(None) is None
    with pytest.raises(ValueError, match="not a command line"):
        values.command_line("it's")
