"""The machinery of short forms: lists and mappings converted item by item, errors with their place (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from linkspan.compose.errors import Path
from linkspan.compose.source import Map, Override, Reset, Seq, find
from linkspan.compose.values import text

#: (value, directory of relative paths, home directory) -> canonical value; ValueError says what is wrong
Converter = Callable[[Any, str, str], Any]


class Inside(ValueError):
    """Something is wrong deeper inside of a field: `path` leads there."""

    def __init__(self, what: str, path: Path) -> None:
        super().__init__(what)
        self.what = what
        self.path = path


def one_by_one(value: Iterable[Any], convert: Callable[[Any], Any]) -> Seq:
    """Convert the items of a list, one to one."""
    return flat(value, lambda item: [convert(item)])


def flat(value: Iterable[Any], convert: Callable[[Any], list[Any]]) -> Seq:
    """Convert the items of a list, each to any number of items; errors say which item."""
    result = Seq(mark=getattr(value, "mark", None))
    for position, item in enumerate(value):
        try:
            found = convert(item)
        except Inside as error:
            raise Inside(error.what, (position, *error.path)) from None
        except ValueError as error:
            raise Inside(str(error), (position,)) from None
        mark = find(value, (position,))
        result.extend(marked(each, mark) for each in found)
        result.marks += [mark] * len(found)
    return result


def marked(value: Any, mark: Any) -> Any:
    return Map(value, mark=mark) if isinstance(value, dict) and not isinstance(value, Map) else value


def pairs(value: Any, convert: Callable[[Any], Any]) -> Map:
    if isinstance(value, Mapping):
        kept = {key: each if isinstance(each, Reset) else convert(each) for key, each in value.items()}
        return Map(kept, getattr(value, "marks", {}), getattr(value, "mark", None))
    result = Map(mark=getattr(value, "mark", None))
    for position, item in enumerate(value):
        key, equals, rest = text(item).partition("=")
        result[key] = convert(rest if equals else None)
        if mark := find(value, (position,)):
            result.marks[key] = mark
    return result


def entries(value: Mapping[str, Any], convert: Callable[[Any], Any]) -> Map:
    """Convert every value of a mapping; errors say which key."""
    result = Map(mark=getattr(value, "mark", None), marks=getattr(value, "marks", {}))
    for key, each in value.items():
        if isinstance(each, (Reset, Override)) or key.startswith("x-"):
            result[key] = each
            continue
        try:
            result[key] = convert(each)
        except ValueError as error:
            raise Inside(str(error), (key,)) from None
    return result


def some(found: Map, converters: Mapping[str, Callable[[Any], Any]]) -> Map:
    for key, convert in converters.items():
        if key in found:
            try:
                found[key] = convert(found[key])
            except ValueError as error:
                raise Inside(str(error), (key,)) from None
    return found


def text_map(value: Any, _directory: str, _home: str) -> Map:
    """A mapping, or a list of key=value; what has no value has the empty one."""
    return pairs(value, lambda each: text(each))


def environment(value: Any, _directory: str, _home: str) -> Map:
    """As `text_map`, but what has no value stays null: it comes from our own environment later."""
    return pairs(value, lambda each: None if each is None else text(each))
