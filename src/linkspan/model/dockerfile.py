"""Which images a Dockerfile builds on, and whether a builder can begin with it (pure).

Source: Dockerfile reference (FROM, ARG, COPY --from, RUN --mount, the escape directive).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from linkspan.model.errors import InvalidParameter

SCRATCH = "scratch"
KEYWORDS = frozenset(
    {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"}
    | {"ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)
_DIRECTIVE = re.compile(r"#\s*escape\s*=\s*(\S)\s*", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:(:[-+])([^}]*))?\}|(\w+))")
_COPIED = re.compile(r"--from=(\S+)")
_MOUNTED = re.compile(r"--mount=\S*?\bfrom=([^,\s]+)")


def base_images(text: str, arguments: Mapping[str, str], target: str = "") -> list[str]:
    """Return the references of the images that a Dockerfile needs, as it writes them, each once.

    `arguments` are the build arguments; `target` names the last stage that is wanted ("" for all of them).
    """
    found: dict[str, None] = {}
    stages: set[str] = set()
    begun = False
    known: dict[str, str] = {}
    for keyword, rest in instructions(text):
        if keyword == "ARG" and not begun:
            known |= _declared(rest, arguments, known)
        elif keyword == "FROM":
            if target and target.lower() in stages:
                break
            begun = True
            name, stage = _from(rest, known)
            if name and name.lower() not in {SCRATCH, *stages}:
                found[name] = None
            stages |= {stage} - {""}
        elif keyword in ("COPY", "ADD", "RUN"):
            pattern = _MOUNTED if keyword == "RUN" else _COPIED
            for name in pattern.findall(rest):
                if name.lower() not in stages and not name.isdigit():
                    found[name] = None
    return list(found)


def check(text: str, name: str, target: str = "") -> None:
    """Refuse, in Docker's words, the Dockerfile `name` that no builder could begin with.

    Raises InvalidParameter: it says nothing, has an unknown instruction, no stage, or not the stage `target`.
    """
    found = list(_numbered(text))
    if not found:
        raise InvalidParameter(f"the Dockerfile ({name}) cannot be empty")
    stages: list[str] = []
    for line, keyword, rest in found:
        if keyword not in KEYWORDS:
            raise InvalidParameter(f"dockerfile parse error on line {line}: unknown instruction: {keyword}")
        if keyword == "FROM":
            stages.append(_from(rest, {})[1])
        elif not stages and keyword != "ARG":
            raise InvalidParameter("no build stage in current context")
        if "<<" in rest:
            return  # what follows may be a here-document: the builder's matter
    if not stages:
        raise InvalidParameter("dockerfile contains no stages to build")
    if target and target.lower() not in {*stages, *map(str, range(len(stages)))}:
        raise InvalidParameter(f'target stage "{target}" could not be found')


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield every instruction as (upper-case keyword, rest), continued lines put together."""
    yield from ((keyword, rest) for _, keyword, rest in _numbered(text))


def _numbered(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield every instruction with the number of the line it begins on."""
    first = text.lstrip("\ufeff").partition("\n")[0]
    escape = found[1] if (found := _DIRECTIVE.fullmatch(first.strip())) else "\\"
    pending, begin = "", 0
    for number, raw in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        begin = begin if pending else number
        if line.endswith(escape):
            pending += line[:-1] + " "
            continue
        keyword, _, rest = (pending + line).strip().partition(" ")
        pending = ""
        yield begin, keyword.upper(), rest.strip()


def expand(text: str, known: Mapping[str, str]) -> str:
    """Replace $name, ${name}, ${name:-default} and ${name:+word}."""

    def value(match: re.Match[str]) -> str:
        name, operator, word = match[1] or match[4], match[2], match[3] or ""
        found = known.get(name, "")
        if operator == ":-":
            return found or expand(word, known)
        if operator == ":+":
            return expand(word, known) if found else ""
        return found

    return _VARIABLE.sub(value, text)


def _declared(rest: str, arguments: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in rest.split():
        name, _, default = word.partition("=")
        found[name] = arguments.get(name, expand(default.strip("\"'"), {**known, **found}))
    return found


def _from(rest: str, known: Mapping[str, str]) -> tuple[str, str]:
    """Return the image of a FROM, variables replaced, and the stage's name in lower case."""
    words = [word for word in rest.split() if not word.startswith("--")]
    name = expand(words[0].strip("\"'"), known) if words else ""
    named = len(words) == 3 and words[1].upper() == "AS"
    return name, words[2].lower() if named else ""
