"""Files of environment variables."""

from __future__ import annotations

import pytest

from linkspan.compose.dotenv import parse
from linkspan.compose.errors import ComposeError


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("A = 1", "1"),
        ("export A=1", "1"),
        ("A: 1", "1"),
        ("A=", ""),
        ("A=a b # comment", "a b"),
        ("A=a#b", "a#b"),
        ("A=# comment", ""),
        ("A='$B # x'", "$B # x"),
        ('A="$B # x"', "2 # x"),
        ('A="a\\nb"', "a\nb"),
        ('A="\\$B"', "$B"),
        ("A=${B:-x}", "2"),
        ("A='it\\'s'", "it's"),
        ('A="two\nlines"', "two\nlines"),
    ],
)
def test_values(line, value):
    assert parse(f"# first\n\nB=2\n{line}\n", "f", {})["A"] == value


def test_the_environment_wins_in_values_and_gives_names_alone():
    assert parse("A=1\nC=$A\nHOME\nNOWHERE\n", "f", {"A": "9", "HOME": "/h"}) == {
        "A": "1",
        "C": "9",
        "HOME": "/h",
    }


def test_raw_takes_everything_as_it_is():
    assert parse('A="$B" # c\n', "f", {}, raw=True) == {"A": '"$B" # c'}


@pytest.mark.parametrize("text", ["A=1\nwhat is this", "A=1\n=2", "A=1\nB=${"])
def test_a_bad_line_is_told(text):
    with pytest.raises(ComposeError, match=r"^f:2: "):
        parse(text, "f", {})
