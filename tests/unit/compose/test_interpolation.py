"""Variables in texts."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.compose.errors import ComposeError
from linkspan.compose.interpolation import Malformed, Required, interpolate, substitute
from linkspan.compose.source import find, read

VARIABLES = {"A": "1", "EMPTY": "", "NAME": "A"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A", "1"),
        ("${A}b", "1b"),
        ("$$A", "$A"),
        ("$A$A", "11"),
        ("${X:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${X-d}", "d"),
        ("${X:-${A}}", "1"),
        ("${X:-${Y:-z}}", "z"),
        ("${A:+yes}", "yes"),
        ("${EMPTY:+yes}", ""),
        ("${EMPTY+yes}", "yes"),
        ("${X+yes}", ""),
        ("${A:?no}", "1"),
        ("${EMPTY?no}", ""),
        ("${X:-a:b}", "a:b"),
        ("no variables", "no variables"),
        ("$missing", ""),
    ],
)
def test_the_operators(text, value):
    assert substitute(text, VARIABLES) == value


def test_missing_ones_are_reported_once_each():
    seen = []
    substitute("$X ${Y} ${Z:-d}", {}, seen.append)
    assert seen == ["X", "Y"]


@pytest.mark.parametrize("text", ["$", "${", "${A", "$ A", "${1}", "${A!b}", "100$%"])
def test_what_begins_no_variable(text):
    with pytest.raises(Malformed):
        substitute(text, VARIABLES)


@pytest.mark.parametrize(
    ("text", "message"), [("${X:?set it}", "set it"), ("${X?}", "X"), ("${EMPTY:?$A}", "1")]
)
def test_required_ones(text, message):
    with pytest.raises(Required, match=message):
        substitute(text, VARIABLES)


@given(st.text())
def test_a_doubled_dollar_is_a_dollar(text):
    assert substitute(text.replace("$", "$$"), {}) == text


@given(st.text(alphabet="${}:-?+AX b", max_size=20))
def test_any_text_gives_a_value_or_one_of_two_errors(text):
    with contextlib.suppress(Malformed, Required):
        assert isinstance(substitute(text, VARIABLES), str)


def test_a_tree_keeps_its_places_and_its_keys():
    tree = read("a: {$A: [$A, 2]}", "f.yaml")[0]
    done = interpolate(tree, VARIABLES)
    assert done == {"a": {"$A": ["1", 2]}}
    assert find(done, ("a", "$A", 0)) == find(tree, ("a", "$A", 0))


def test_an_error_names_file_line_and_key():
    tree = read("a:\n  b:\n  - ok\n  - ${", "f.yaml")[0]
    with pytest.raises(ComposeError, match=r"^f.yaml:4: a.b\[1\]: invalid interpolation format"):
        interpolate(tree, {})
