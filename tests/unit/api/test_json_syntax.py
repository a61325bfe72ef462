"""Texts that are no JSON, refused as Go refuses them."""

from __future__ import annotations

import pytest

from linkspan.api.json_syntax import complaint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "unexpected EOF"),
        ('{"a', "unexpected EOF"),
        ('{"a":', "unexpected EOF"),
        ("[1,", "unexpected EOF"),
        ("tru", "unexpected EOF"),
        ("-", "unexpected EOF"),
        ("invalid", "invalid character 'i' looking for beginning of value"),
        ("{invalid", "invalid character 'i' looking for beginning of object key string"),
        ("{'a'}", r"invalid character '\'' looking for beginning of object key string"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("[nul1]", "invalid character '1' in literal null (expecting 'l')"),
        ("[trae]", "invalid character 'a' in literal true (expecting 'u')"),
        ('"a\nb"', r"invalid character '\n' in string literal"),
        (r'"\x"', "invalid character 'x' in string escape code"),
        (r'"\u12g4"', r"invalid character 'g' in \u hexadecimal character escape"),
        ("[-a]", "invalid character 'a' in numeric literal"),
        ("[1.a]", "invalid character 'a' after decimal point in numeric literal"),
        ("[1e+a]", "invalid character 'a' in exponent of numeric literal"),
        ("[1.5.2]", "invalid character '.' after array element"),
        ("[1e5e2]", "invalid character 'e' after array element"),
        ("[NaN]", "invalid character 'N' looking for beginning of value"),
        ("[\x01]", r"invalid character '\x01' looking for beginning of value"),
        ("[\\]", r"invalid character '\\' looking for beginning of value"),
        ('[{"a":[],"b":{}}, "\\u00e9\\n", 1.5e3, false}', "invalid character '}' after array element"),
        ("[" * 100_000, "exceeded max depth"),
    ],
)
def test_complaints(text: str, said: str) -> None:
    assert complaint(text) == said


def test_what_only_python_refuses_has_a_text_too() -> None:
    assert complaint("9" * 5000) == "invalid character"
