"""Variables in compose files: $NAME, ${NAME}, ${NAME:-default}, ${NAME:?message}, ${NAME:+other}, $$ (pure).

Source: Compose Specification, "Interpolation".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from linkspan.compose.errors import ComposeError, Mark, Path, Problem
from linkspan.compose.source import Map, Override, Seq, carry

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATORS = (":-", "-", ":?", "?", ":+", "+")


class Malformed(ValueError):
    """A text has a `$` that begins no variable."""


class Required(ValueError):
    """A variable that must be set is not."""


def substitute(text: str, variables: Mapping[str, str], unset: Callable[[str], object] = id) -> str:
    """Replace the variables of a text.

    `unset` is called with the name of each variable that is missing and has no default: it becomes "".
    Raises Malformed or Required.
    """
    if "$" not in text:
        return text
    result, rest = "", text
    while "$" in rest:
        before, _, rest = rest.partition("$")
        result += before
        value, rest = _one(rest, text, variables, unset)
        result += value
    return result + rest


def _one(
    rest: str, whole: str, variables: Mapping[str, str], unset: Callable[[str], object]
) -> tuple[str, str]:
    """The value of what follows a `$`, and what follows that."""
    if rest.startswith("$"):
        return "$", rest[1:]
    if rest.startswith("{"):
        inner, after = _braces(rest[1:], whole)
        return _braced(inner, whole, variables, unset), after
    if name := _NAME.match(rest):
        return _plain(name[0], variables, unset), rest[name.end() :]
    raise Malformed(f'"{whole}" has a $ that begins no variable: write $$ for a dollar sign')


def _braces(text: str, whole: str) -> tuple[str, str]:
    """What stands before the closing brace, braces in between counted, and what stands after it."""
    depth = 1
    for position, letter in enumerate(text):
        if letter == "}":
            depth -= 1
        elif letter == "{" and position and text[position - 1] == "$":
            depth += 1
        if depth == 0:
            return text[:position], text[position + 1 :]
    raise Malformed(f'"{whole}" opens a ${{ that is never closed')


def _braced(inner: str, whole: str, variables: Mapping[str, str], unset: Callable[[str], object]) -> str:
    match = _NAME.match(inner)
    if match is None:
        raise Malformed(f'"{whole}" has ${{{inner}}}, which names no variable')
    name, rest = match[0], inner[match.end() :]
    if not rest:
        return _plain(name, variables, unset)
    operator = next((each for each in _OPERATORS if rest.startswith(each)), None)
    if operator is None:
        raise Malformed(f'"{whole}" has ${{{inner}}}: after the name comes one of {" ".join(_OPERATORS)}')
    there = bool(variables.get(name)) if operator.startswith(":") else name in variables
    operand = rest[len(operator) :]
    return _apply(operator[-1], name, there, operand, variables, unset)


def _apply(
    kind: str,
    name: str,
    there: bool,
    operand: str,
    variables: Mapping[str, str],
    unset: Callable[[str], object],
) -> str:
    if kind == "+":
        return substitute(operand, variables, unset) if there else ""
    if there:
        return variables[name]
    if kind == "-":
        return substitute(operand, variables, unset)
    message = substitute(operand, variables, unset)
    raise Required(f"required variable {name} is missing a value{': ' + message if message else ''}")


def _plain(name: str, variables: Mapping[str, str], unset: Callable[[str], object]) -> str:
    if name not in variables:
        unset(name)
    return variables.get(name, "")


def interpolate(
    tree: Any,
    variables: Mapping[str, str],
    unset: Callable[[str], object] = id,
    path: Path = (),
    mark: Mark | None = None,
) -> Any:
    """Replace the variables of every text of a tree, not of its keys; ComposeError says where."""
    if isinstance(tree, str):
        try:
            return substitute(tree, variables, unset)
        except Malformed as error:
            raise ComposeError(Problem(f"invalid interpolation format: {error}", path, mark)) from None
        except Required as error:
            raise ComposeError(Problem(str(error), path, mark)) from None
    if isinstance(tree, Map):
        return carry(
            tree,
            {
                key: interpolate(value, variables, unset, (*path, key), tree.marks.get(key, mark))
                for key, value in tree.items()
            },
        )
    if isinstance(tree, Seq):
        marks = [*tree.marks, *[None] * len(tree)]
        items = [
            interpolate(value, variables, unset, (*path, number), marks[number] or mark)
            for number, value in enumerate(tree)
        ]
        return carry(tree, items)
    if isinstance(tree, Override):
        return Override(interpolate(tree.value, variables, unset, path, mark))
    return tree
