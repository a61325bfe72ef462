"""What is wrong with a text that is no JSON, in the words of Go's decoder, which clients match (pure).

Source: Go's encoding/json, the scanner's error texts.
"""

from __future__ import annotations

import re

_SPACE = " \t\r\n"
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DIGITS = "0123456789"
TRUNCATED = "unexpected EOF"


class SyntaxComplaint(Exception):
    """The first thing that is wrong with a text."""


def complaint(text: str) -> str:
    """Return what Go says of `text`, which no JSON parser accepts."""
    try:
        _Scanner(text).value()
    except SyntaxComplaint as found:
        return str(found)
    except RecursionError:
        return "exceeded max depth"
    return "invalid character"


def quoted(character: str) -> str:
    if character == "'":
        return r"'\''"
    if character == '"':
        return "'\"'"
    shown = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": r"\\"}.get(character)
    if shown is None:
        shown = character if character.isprintable() else f"\\x{ord(character):02x}"
    return f"'{shown}'"


class _Scanner:
    """Walks a text until something is wrong."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def _peek(self) -> str:
        if self._at >= len(self._text):
            raise SyntaxComplaint(TRUNCATED)
        return self._text[self._at]

    def _next(self) -> str:
        while self._at < len(self._text) and self._text[self._at] in _SPACE:
            self._at += 1
        return self._peek()

    def _wrong(self, where: str) -> SyntaxComplaint:
        return SyntaxComplaint(f"invalid character {quoted(self._peek())} {where}")

    def value(self) -> None:
        """Walk over one value of any kind."""
        first = self._next()
        if first == "{":
            self._object()
        elif first == "[":
            self._array()
        elif first == '"':
            self._string()
        elif first in "-" + _DIGITS:
            self._number()
        elif first in "tfn":
            self._literal({"t": "true", "f": "false", "n": "null"}[first])
        else:
            raise self._wrong("looking for beginning of value")

    def _object(self) -> None:
        self._at += 1
        if self._next() == "}":
            self._at += 1
            return
        while True:
            if self._next() != '"':
                raise self._wrong("looking for beginning of object key string")
            self._string()
            if self._next() != ":":
                raise self._wrong("after object key")
            self._at += 1
            self.value()
            if self._ends("}", "after object key:value pair"):
                return

    def _array(self) -> None:
        self._at += 1
        if self._next() == "]":
            self._at += 1
            return
        while True:
            self.value()
            if self._ends("]", "after array element"):
                return

    def _ends(self, bracket: str, where: str) -> bool:
        found = self._next()
        if found not in ("," + bracket):
            raise self._wrong(where)
        self._at += 1
        return found == bracket

    def _string(self) -> None:
        self._at += 1
        while (character := self._peek()) != '"':
            if character < " ":
                raise self._wrong("in string literal")
            self._at += 1
            if character == "\\":
                self._escape()
        self._at += 1

    def _escape(self) -> None:
        kind = self._peek()
        if kind not in 'bfnrt\\/"u':
            raise self._wrong("in string escape code")
        self._at += 1
        if kind == "u":
            for _ in range(4):
                if self._peek() not in "0123456789abcdefABCDEF":
                    raise self._wrong(r"in \u hexadecimal character escape")
                self._at += 1

    def _literal(self, word: str) -> None:
        for place, letter in enumerate(word):
            if self._peek() != letter:
                before = f"in literal {word} (expecting {quoted(letter)})"
                raise self._wrong(before if place else "looking for beginning of value")
            self._at += 1

    def _number(self) -> None:
        whole = _NUMBER.match(self._text, self._at)
        self._at = whole.end() if whole else self._at + 1
        if whole is None:
            if self._peek() not in _DIGITS:
                raise self._wrong("in numeric literal")
            return
        if self._at < len(self._text) and self._text[self._at] in ".eE" and not self._complete(whole.group()):
            kind, self._at = self._text[self._at], self._at + 1
            if kind in "eE" and self._peek() in "+-":
                self._at += 1
            if self._peek() not in _DIGITS:
                raise self._wrong(
                    "after decimal point in numeric literal"
                    if kind == "."
                    else "in exponent of numeric literal"
                )

    def _complete(self, number: str) -> bool:
        """Tell whether another dot or exponent may not follow any more: then the caller complains."""
        return "e" in number.lower() or ("." in number and self._text[self._at] == ".")
