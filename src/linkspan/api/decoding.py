"""Request bodies and JSON parameters decoded as Go's encoding/json does, with its error texts (pure).

Source: Go's encoding/json (UnmarshalTypeError), moby daemon/server/httputils ReadJSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from linkspan.api import json_syntax
from linkspan.model.errors import InvalidParameter

_INTEGERS = {
    "int": (-(1 << 63), (1 << 63) - 1),
    "int64": (-(1 << 63), (1 << 63) - 1),
    "uint": (0, (1 << 64) - 1),
    "uint16": (0, (1 << 16) - 1),
    "uint32": (0, (1 << 32) - 1),
    "uint64": (0, (1 << 64) - 1),
}

_ZEROS: Mapping[str, Any] = {"string": "", "bool": False, "int": 0, "float": 0, "struct": {}}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class GoType:
    """The Go type of a field: `text` is its name, `kind` what JSON it takes.

    kind is "string", "bool", "int" (any integer, its range by `text`), "float", "list", "map", "struct",
    "words" (a list of strings or one string) or "any". `element` is that of lists and maps; `fields` those
    of a struct, whose `text` is the name with its package ("container.CreateRequest").
    """

    text: str
    kind: str
    element: GoType | None = None
    fields: Mapping[str, GoType] = field(default_factory=dict)


def decode(raw: bytes, shape: GoType | None = None) -> Any:
    """Return the one JSON value in `raw`; struct fields get their proper names whatever their case is.

    Raises InvalidParameter with Docker's text: for an empty body, for what is no JSON, for content after the
    value, and for a value of another type than `shape` wants.
    """
    text = raw.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise InvalidParameter("invalid JSON: got EOF while reading request body")
    try:
        document, end = json.JSONDecoder(parse_constant=_refuse).raw_decode(text)
    except (ValueError, RecursionError):
        raise InvalidParameter(f"invalid JSON: {json_syntax.complaint(text)}") from None
    if _SURROGATE.search(text):
        document = _whole(document)
    if shape is not None:
        document = _checked(document, shape, "", shape.text.rpartition(".")[2])
    if text[end:].strip(" \t\r\n"):
        raise InvalidParameter("unexpected content after JSON")
    return document


def _whole(document: Any) -> Any:
    """Return the document with U+FFFD for halves of surrogate pairs, which are no characters, as in Go."""
    text = json.dumps(document, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _refuse(constant: str) -> Any:
    """Refuse NaN and Infinity, which only Python takes for JSON."""
    raise ValueError(constant)


def _checked(value: Any, shape: GoType, path: str, root: str) -> Any:
    if value is None or shape.kind == "any":
        return value
    if shape.kind == "struct" and isinstance(value, dict):
        return _struct(value, shape, path, root)
    if shape.kind == "map" and isinstance(value, dict):
        element = shape.element or shape
        return {key: _element(item, element, path, root) for key, item in value.items()}
    if shape.kind == "list" and isinstance(value, list):
        element = shape.element or shape
        return [_element(item, element, path, root) for item in value]
    if not _fits(value, shape):
        raise InvalidParameter(f"invalid JSON: {_mismatch(value, shape, path, root)}")
    return value


def _element(value: Any, shape: GoType, path: str, root: str) -> Any:
    """Return an element of a list or map; null is the zero value of what it should be."""
    if value is None and shape.kind in _ZEROS:
        return {} if shape.kind == "struct" else _ZEROS[shape.kind]
    return _checked(value, shape, path, root)


def _struct(value: dict[str, Any], shape: GoType, path: str, root: str) -> dict[str, Any]:
    names = {name.lower(): name for name in shape.fields}
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = names.get(key.lower())
        if name is None:
            found[key] = item
            continue
        below = f"{path}.{name}" if path else name
        found[name] = _checked(item, shape.fields[name], below, root)
    return found


def _fits(value: Any, shape: GoType) -> bool:
    if shape.kind == "string":
        return isinstance(value, str)
    if shape.kind == "bool":
        return isinstance(value, bool)
    if shape.kind == "words":
        return isinstance(value, str) or (
            isinstance(value, list) and all(isinstance(word, str) for word in value)
        )
    if isinstance(value, bool):
        return False
    if shape.kind == "float":
        return isinstance(value, (int, float))
    if shape.kind == "int":
        low, high = _INTEGERS.get(shape.text, _INTEGERS["int64"])
        return isinstance(value, int) and low <= value <= high
    return False


def _mismatch(value: Any, shape: GoType, path: str, root: str) -> str:
    if shape.kind == "words":
        return f"json: cannot unmarshal {_word(value, shape)} into Go value of type {shape.text}"
    where = f"struct field {root}.{path}" if path else "value"
    return f"json: cannot unmarshal {_word(value, shape)} into Go {where} of type {shape.text}"


def _word(value: Any, shape: GoType) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return f"number {json.dumps(value)}" if shape.kind in ("int", "float") else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
