"""Reading requests: query flags, numbers, filters and JSON bodies, with Docker's rules and error texts."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from linkspan.api.context import BODY_LIMIT
from linkspan.model.errors import InvalidParameter

Filters = dict[str, list[str]]

_FALSE = frozenset({"", "0", "no", "false", "none"})


def flag(request: web.Request, name: str, default: bool = False) -> bool:
    """Return the boolean query parameter `name`: "", 0, no, false and none are false, all else is true."""
    value = request.query.get(name)
    return default if value is None else value.strip().lower() not in _FALSE


def number(request: web.Request, name: str, default: int | None = None) -> int | None:
    """Return the integer query parameter `name`, or raise InvalidParameter."""
    value = request.query.get(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except ValueError:
        raise InvalidParameter(f'strconv.Atoi: parsing "{value}": invalid syntax') from None


def filters(request: web.Request, allowed: frozenset[str] | None = None) -> Filters:
    """Return `filters` as {name: values}; accepts {"label": ["a"]} and {"label": {"a": true}}.

    Names outside `allowed` raise InvalidParameter "invalid filter 'x'".
    """
    raw = request.query.get("filters")
    if not raw:
        return {}
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise InvalidParameter(f"invalid filters: {error}") from None
    if not isinstance(document, dict):
        raise InvalidParameter("invalid filters: expected a JSON object")
    found = {name: _filter_values(values) for name, values in document.items()}
    for name in found:
        if allowed is not None and name not in allowed:
            raise InvalidParameter(f"invalid filter '{name}'")
    return found


def _filter_values(values: object) -> list[str]:
    if isinstance(values, dict):
        return [str(value) for value, wanted in values.items() if wanted]
    if isinstance(values, list):
        return [str(value) for value in values]
    raise InvalidParameter(f"invalid filters: expected a list or an object, got {json.dumps(values)}")


async def json_body(request: web.Request, optional: bool = False) -> dict[str, Any]:
    """Return the request's JSON object, or raise InvalidParameter with Docker's texts.

    An empty body is an error unless `optional`, when it counts as {}.
    """
    raw = await request.read() if request.can_read_body else b""
    if not raw.strip():
        if optional:
            return {}
        raise InvalidParameter("invalid JSON: got EOF while reading request body")
    kind = request.content_type
    if request.headers.get("Content-Type") and kind not in ("application/json", "text/plain"):
        raise InvalidParameter(f"unsupported Content-Type header ({kind}): must be 'application/json'")
    return _object(raw)


def _object(raw: bytes) -> dict[str, Any]:
    if len(raw) > BODY_LIMIT:
        raise InvalidParameter(f"request body is larger than {BODY_LIMIT} bytes")
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise InvalidParameter(f"invalid JSON: {error}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidParameter("invalid JSON: cannot unmarshal a non-object into the request")
    return document
