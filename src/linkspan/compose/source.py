"""YAML that remembers where every key and item was written.

Scalars follow YAML 1.2's core schema, as compose's parser does: `no` and `22:22` are texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from linkspan.compose.errors import ComposeError, Mark, Path, Problem

#: so many nodes at most: aliases of aliases can make a small file explode
LARGEST = 500_000
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Map(dict[str, Any]):
    """A mapping that knows where it begins (`mark`) and where each key is written (`marks`)."""

    __slots__ = ("mark", "marks")

    def __init__(
        self,
        values: Mapping[str, Any] | None = None,
        marks: Mapping[str, Mark] | None = None,
        mark: Mark | None = None,
    ) -> None:
        super().__init__(values or {})
        self.marks = dict(marks or {})
        self.mark = mark


class Seq(list[Any]):
    """A list that knows where it begins (`mark`) and where each item is written (`marks`)."""

    __slots__ = ("mark", "marks")

    def __init__(
        self, values: Iterable[Any] = (), marks: Iterable[Mark | None] = (), mark: Mark | None = None
    ) -> None:
        super().__init__(values)
        self.marks = list(marks)
        self.mark = mark


class Reset:
    """The value of `!reset`: what an earlier file says under this key is forgotten."""


class Override:
    """The value of `!override`: replaces what an earlier file says, without merging."""

    def __init__(self, value: Any) -> None:
        self.value = value


def find(tree: Any, path: Path) -> Mark | None:
    """Where the value at `path` is written; where the nearest thing around it is, if that is unknown."""
    found: Mark | None = getattr(tree, "mark", None)
    for part in path:
        marks = getattr(tree, "marks", {})
        if isinstance(part, int):
            found = (marks[part] if isinstance(marks, list) and part < len(marks) else None) or found
        elif isinstance(marks, dict):
            found = marks.get(part) or found
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            break
        found = getattr(tree, "mark", None) if found is None else found
    return found


def carry(old: Any, new: Any) -> Any:
    """Give a changed mapping or list the marks of the one it was made from; return it."""
    if isinstance(new, dict) and isinstance(old, Map):
        return Map(new, old.marks, old.mark)
    if isinstance(new, list) and isinstance(old, Seq):
        return Seq(new, old.marks if len(new) == len(old) else (), old.mark)
    return new


def read(text: str, file: str) -> list[Map]:
    """Parse a file's text into its documents; ComposeError names the place of what is not YAML."""
    loader = _Loader(text)
    reader = _Reader(file)
    try:
        documents = []
        while loader.check_node():
            documents.append(reader.document(loader.get_node()))
        return documents
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, file) from None
    except yaml.YAMLError as error:
        raise ComposeError(Problem(f"not YAML: {error}", mark=Mark(file, 1))) from None
    finally:
        loader.dispose()


def _not_yaml(error: yaml.MarkedYAMLError, file: str) -> ComposeError:
    mark = error.problem_mark or error.context_mark
    place = Mark(file, mark.line + 1, mark.column + 1) if mark else Mark(file, 1)
    what = f"not YAML: {error.problem or error.context or error}"
    if "cannot start any token" in what:
        what += ' (indent with blanks, and put values that begin with @, ` or % into "quotes")'
    elif "mapping values are not allowed" in what:
        what += ' (is a line above indented wrongly, or does a value with ": " in it need "quotes"?)'
    return ComposeError(Problem(what, mark=place))


class _Loader(_BASE):  # type: ignore[misc]  # one of two classes, known at run time
    """PyYAML's loader with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML's own declaration


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
    ("merge", r"<<", "<"),
):
    _first_letters = ["" if letter == "\0" else letter for letter in _first]
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first_letters
    )


class _Reader:
    """Turns YAML nodes into values with marks."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0

    def document(self, node: yaml.Node) -> Map:
        value = self._value(node)
        if value is None:
            return Map(mark=self._mark(node))
        if not isinstance(value, Map):
            what = "a compose file is a mapping: it begins with a line such as `services:`"
            raise ComposeError(Problem(what, mark=self._mark(node)))
        return value

    def _value(self, node: yaml.Node) -> Any:
        self._count += 1
        if self._count > LARGEST:
            raise ComposeError(Problem("aliases make this file too large", mark=self._mark(node)))
        if node.tag == "!reset":
            return Reset()
        if node.tag == "!override":
            return Override(self._plain(node))
        return self._plain(node)

    def _plain(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            marks = [self._mark(each) for each in node.value]
            return Seq([self._value(each) for each in node.value], marks, self._mark(node))
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode) -> Map:
        inherited = Map(mark=self._mark(node))
        own = Map()
        for key_node, value_node in node.value:
            mark = self._mark(key_node)
            if key_node.tag == "tag:yaml.org,2002:merge":
                self._inherit(inherited, value_node)
                continue
            key = str(key_node.value)
            if not isinstance(key_node, yaml.ScalarNode):
                raise ComposeError(Problem("a key must be a text", mark=mark))
            if key in own:
                what = f'the key "{key}" is here for the second time (first: line {own.marks[key].line})'
                raise ComposeError(Problem(what, mark=mark))
            own[key] = self._value(value_node)
            own.marks[key] = mark
        inherited.update(own)
        inherited.marks.update(own.marks)
        return inherited

    def _inherit(self, into: Map, node: yaml.Node) -> None:
        """`<<: *one` or `<<: [*one, *two]`: the first one wins."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            value = self._value(source)
            if not isinstance(value, Map):
                raise ComposeError(Problem("`<<` merges mappings only", mark=self._mark(source)))
            for key in value:
                if key not in into:
                    into[key] = value[key]
                    into.marks[key] = value.marks[key]

    def _scalar(self, node: yaml.Node) -> Any:
        kind, text = node.tag.removeprefix("tag:yaml.org,2002:"), str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            return _integer(text)
        if kind == "float":
            return float(text)
        if kind == "str":
            return text
        raise ComposeError(Problem(f"the tag {node.tag} means nothing here", mark=self._mark(node)))

    def _mark(self, node: yaml.Node) -> Mark:
        return Mark(self._file, node.start_mark.line + 1, node.start_mark.column + 1)


def _integer(text: str) -> int:
    """A number; 0755 is octal, as in compose."""
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits.isdigit() and not set(digits) & {"8", "9"}:
        return int(digits, 8) * (-1 if text.startswith("-") else 1)
    return int(text) if digits.isdigit() else int(text, 0)
