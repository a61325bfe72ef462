"""JSON without the json module, compared with it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.cli import json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_we_write_the_json_module_reads(value):
    assert json.loads(json_text.dumps(value)) == value
    assert json.loads(json_text.pretty(value)) == value


@given(VALUES)
def test_what_the_json_module_writes_we_read(value):
    assert json_text.loads(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["", "{", "nonsense", "{} {}", '{"a" 1}', "[1,]"])
def test_what_is_not_json(text):
    with pytest.raises(ValueError):
        json_text.loads(text)


def test_pretty_is_dockers_indentation():
    assert json_text.pretty([{"A": [], "B": {"C": None}}]) == (
        '[\n    {\n        "A": [],\n        "B": {\n            "C": null\n        }\n    }\n]'
    )


def test_what_cannot_be_written():
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        json_text.dumps(object())
