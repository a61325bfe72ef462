"""Files of environment variables, as .env and `env_file` have them (pure).

Source: Compose Specification, "env_file"; docs.docker.com "Syntax for environment files".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from linkspan.compose.errors import ComposeError, Mark, Problem
from linkspan.compose.interpolation import Malformed, Required, substitute

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*(?:([=:])[ \t]*)?")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}


def parse(text: str, file: str, variables: Mapping[str, str], *, raw: bool = False) -> dict[str, str]:
    """The variables of a file's text; those given and the earlier ones of the file may be used in values.

    A name alone takes its value from `variables`, or is left out. With `raw`, values are taken as they are.
    Raises ComposeError with the line that cannot be read.
    """
    found: dict[str, str] = {}
    lines = text.replace("\r\n", "\n").split("\n")
    number = 0
    while number < len(lines):
        first = number
        line = lines[number]
        number += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None or (match[2] is None and line[match.end() :].strip()):
            raise ComposeError(Problem(f"{line.strip()!r} is not NAME=VALUE", mark=Mark(file, first + 1)))
        if match[2] is None:
            found.update({match[1]: variables[match[1]]} if match[1] in variables else {})
            continue
        rest = line[match.end() :]
        while _open_quote(rest) and number < len(lines) and not raw:
            rest += "\n" + lines[number]
            number += 1
        try:
            found[match[1]] = rest if raw else _value(rest, {**found, **variables})
        except (Malformed, Required) as error:
            raise ComposeError(Problem(str(error), mark=Mark(file, first + 1))) from None
    return found


def _open_quote(text: str) -> bool:
    """Whether a value begins with a quote that is not closed yet."""
    quote = text[:1]
    return quote in ("'", '"') and _closing(text, quote) < 0


def _closing(text: str, quote: str) -> int:
    position = 1
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == quote:
            return position
        position += 1
    return -1


def _value(text: str, variables: Mapping[str, str]) -> str:
    quote = text[:1]
    if quote in ("'", '"') and (end := _closing(text, quote)) > 0:
        inner = text[1:end]
        if quote == "'":
            return inner.replace("\\'", "'")
        return substitute(re.sub(r"\\(.)", _escape, inner), variables)
    plain = re.split(r"(?:^|\s+)#", text, maxsplit=1)[0].strip()
    return substitute(plain, variables)


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[0])
