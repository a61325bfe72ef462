"""Moments and durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.model.errors import InvalidParameter
from linkspan.model.timestamps import (
    NEVER,
    SECOND,
    human_duration,
    parse_moment,
    rfc3339,
    rfc3339_fixed,
    to_nanoseconds,
)


@given(st.integers(0, 4_000_000_000 * SECOND))
def test_what_is_written_is_read_again(moment):
    assert parse_moment(rfc3339(moment)) == moment
    assert to_nanoseconds(rfc3339_fixed(moment)) == moment


def test_trailing_zeros_as_go_writes_them():
    assert rfc3339(SECOND) == "1970-01-01T00:00:01Z"
    assert rfc3339(SECOND + 500_000_000) == "1970-01-01T00:00:01.5Z"
    assert rfc3339_fixed(SECOND) == "1970-01-01T00:00:01.000000000Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1700000000", 1_700_000_000 * SECOND),
        ("1.5", 1_500_000_000),
        ("1970-01-02", 86400 * SECOND),
        ("1970-01-01T00:01", 60 * SECOND),
        ("1970-01-01T01:00:00+01:00", 0),
        (NEVER, 0),
    ],
)
def test_forms_of_a_moment(text, moment):
    assert parse_moment(text) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "1970-13-01", "10m"])
def test_what_is_no_moment(text):
    with pytest.raises(InvalidParameter, match="failed to parse value as time or duration"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "Less than a second"),
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (150, "2 minutes"),
        (3600, "About an hour"),
        (5 * 3600, "5 hours"),
        (3 * 86400, "3 days"),
        (20 * 86400, "2 weeks"),
        (100 * 86400, "3 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_durations_in_dockers_words(seconds, words):
    assert human_duration(int(seconds * SECOND)) == words
