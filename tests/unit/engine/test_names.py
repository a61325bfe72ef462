"""Container names."""

from __future__ import annotations

import re

import pytest

from linkspan.engine.names import ADJECTIVES, SURNAMES, checked_name, random_name
from linkspan.model.errors import InvalidParameter


@pytest.mark.parametrize("name", ["web", "/web", "a1", "A_b-c.d"])
def test_good_names(name: str) -> None:
    assert checked_name(name) == name.removeprefix("/")


@pytest.mark.parametrize("name", ["a", "-web", "_x", "we b", "web/x", "ü1", "web\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidParameter) as error:
        checked_name(name)
    assert str(error.value) == (
        f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    )


def test_random_names() -> None:
    assert re.fullmatch("[a-z]+_[a-z]+", random_name(lambda _: False, "x"))
    assert re.fullmatch(r"[a-z]+_[a-z]+\d", random_name(lambda name: name[-1].isalpha(), "x"))
    assert random_name(lambda _: True, "fallback") == "fallback"


def test_every_word_makes_a_good_name() -> None:
    for word in (*ADJECTIVES, *SURNAMES):
        assert checked_name(word) == word
