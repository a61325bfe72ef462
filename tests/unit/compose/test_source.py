"""YAML with places: scalars, anchors, merge keys, duplicate keys, tags, bad input."""

from __future__ import annotations

import textwrap

import pytest

from linkspan.compose.errors import ComposeError, Mark
from linkspan.compose.source import Override, Reset, find, read


def document(text: str):
    return read(textwrap.dedent(text), "f.yaml")[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("22:22", "22:22"),
        ("0755", 0o755),
        ("0o17", 15),
        ("0x1f", 31),
        ("089", 89),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("~", None),
        ("", None),
        ("2024-01-01", "2024-01-01"),
        ("'5'", "5"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    assert document(f"a: {text}")["a"] == value


def test_every_key_and_item_knows_its_place():
    tree = document("""\
        services:
          web:
            ports:
              - "80"
              - "81"
        """)
    assert find(tree, ("services", "web", "ports")) == Mark("f.yaml", 3, 5)
    assert find(tree, ("services", "web", "ports", 1)) == Mark("f.yaml", 5, 9)
    assert find(tree, ("services", "web", "nothing")) == Mark("f.yaml", 2, 3)


def test_merge_keys_and_anchors():
    tree = document("""\
        a: &a {x: 1, y: 2}
        b: &b {y: 3, z: 4}
        c:
          <<: [*a, *b]
          x: 9
        """)
    assert tree["c"] == {"x": 9, "y": 2, "z": 4}
    assert find(tree, ("c", "x")).line == 5
    assert find(tree, ("c", "z")).line == 2


def test_tags_of_compose():
    tree = document("a: !reset null\nb: !override [1]")
    assert isinstance(tree["a"], Reset)
    assert isinstance(tree["b"], Override)
    assert tree["b"].value == [1]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\na: 2", 2, 'the key "a" is here for the second time (first: line 1)'),
        ("a:\n\tb: 1", 2, "indent with blanks"),
        ("a: b: c", 1, "mapping values are not allowed"),
        ("a: [1, 2", 1, "not YAML"),
        ("a: *nowhere", 1, "undefined alias"),
        ("- a", 1, "a compose file is a mapping"),
        ("a: !what 1", 1, "!what means nothing"),
        ("a:\n  <<: 3", 2, "merges mappings only"),
        ("? [x]\n: 1", 1, "a key must be a text"),
    ],
)
def test_bad_input_is_told_with_its_line(text, line, words):
    with pytest.raises(ComposeError) as caught:
        read(text, "f.yaml")
    problem = caught.value.problems[0]
    assert words in problem.what
    assert problem.mark.file == "f.yaml"
    assert abs(problem.mark.line - line) <= 1


def test_aliases_cannot_explode():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for number in range(1, 9):
        bomb += f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]\n"
    with pytest.raises(ComposeError, match="too large"):
        read(bomb, "f.yaml")


def test_an_empty_file_and_several_documents():
    assert read("", "f.yaml") == []
    assert read("---\na: 1\n---\nb: 2\n", "f.yaml") == [{"a": 1}, {"b": 2}]
    assert read("---\n", "f.yaml") == [{}]
