"""Reading requests: query flags, numbers, filters and JSON bodies, with Docker's rules and error texts."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from aiohttp import web

from linkspan.api import json_syntax
from linkspan.api.decoding import GoType, decode
from linkspan.model.errors import InvalidParameter

Filters = dict[str, list[str]]

BODY_PATIENCE = 60.0
"""Seconds that a JSON body may take to arrive."""

_GO_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_GO_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_FALSE = frozenset({"", "0", "no", "false", "none"})


def flag(request: web.Request, name: str, default: bool = False) -> bool:
    """Return the boolean query parameter `name`: "", 0, no, false and none are false, all else is true."""
    value = request.query.get(name)
    return default if value is None else value.strip().lower() not in _FALSE


def go_bool(request: web.Request, name: str) -> bool:
    """Return the query parameter `name`, false if missing, which Docker reads by strconv.ParseBool.

    Raises InvalidParameter for other words.
    """
    value = request.query.get(name, "") or "false"
    if value in _GO_TRUE or value in _GO_FALSE:
        return value in _GO_TRUE
    raise InvalidParameter(
        f'invalid value for {name}: {value}: strconv.ParseBool: parsing "{value}": invalid syntax'
    )


def number(request: web.Request, name: str, default: int | None = None) -> int | None:
    """Return the integer query parameter `name`, or raise InvalidParameter."""
    value = request.query.get(name)
    if value is None or value == "":
        return default
    if not re.fullmatch(r"[+-]?\d+", value, re.ASCII):
        raise InvalidParameter(f'strconv.Atoi: parsing "{value}": invalid syntax')
    if len(value) > 20 or not -(1 << 63) <= int(value) < 1 << 63:
        raise InvalidParameter(f'strconv.Atoi: parsing "{value[:40]}": value out of range')
    return int(value)


def size(request: web.Request, name: str, what: str) -> int:
    """Return the query parameter `name` of a resize, the `what` ("height") of a terminal in characters.

    A terminal has 65535 at most. Raises InvalidParameter for a missing one and for no number of 32 bits.
    """
    value = request.query.get(name, "")
    digits = value.removeprefix("-")
    if not re.fullmatch(r"\d+", digits, re.ASCII):
        raise InvalidParameter(f'invalid resize {what} "{value}": invalid syntax')
    if value != digits or len(digits) > 10 or int(digits) >= 1 << 32:
        raise InvalidParameter(f'invalid resize {what} "{value}": value out of range')
    return min(int(digits), 0xFFFF)


def filters(request: web.Request, allowed: frozenset[str] | None = None) -> Filters:
    """Return `filters` as {name: values}; accepts {"label": ["a"]} and {"label": {"a": true}}.

    Names outside `allowed` raise InvalidParameter "invalid filter 'x'".
    """
    raw = request.query.get("filters")
    if not raw:
        return {}
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidParameter(f"invalid filter: {json_syntax.complaint(raw)}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidParameter("invalid filter: a JSON object of names with their values is wanted")
    found = {name: _filter_values(values) for name, values in document.items()}
    for name in found:
        if allowed is not None and name not in allowed:
            raise InvalidParameter(f"invalid filter '{name}'")
    return found


def _filter_values(values: object) -> list[str]:
    """Return the values of one filter; of {"a": false} too, as in Docker the keys alone count."""
    if isinstance(values, dict) and all(isinstance(wanted, bool) for wanted in values.values()):
        return list(values)
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return values
    if values is None:
        return []
    wanted = "a list of strings or an object with booleans"
    raise InvalidParameter(f"invalid filter: {wanted} is wanted, not {json.dumps(values)}")


async def json_body(
    request: web.Request, shape: GoType | None = None, optional: bool = True
) -> dict[str, Any]:
    """Return the request's JSON object, or raise InvalidParameter with Docker's texts.

    `shape` says what types its fields have. An empty body counts as {}, unless it is not `optional`.
    """
    raw = await _whole(request) if request.can_read_body else b""
    _check_kind(request, bool(raw))
    if not raw and optional and "Transfer-Encoding" not in request.headers:
        return {}
    document = decode(raw, shape)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidParameter("invalid JSON: json: cannot unmarshal the body into a Go struct")
    return document


async def _whole(request: web.Request) -> bytes:
    """Return the body; a client that never sends all of it is let go."""
    try:
        async with asyncio.timeout(BODY_PATIENCE):
            return await request.read()
    except TimeoutError:
        late = InvalidParameter(f"the request's body did not arrive within {BODY_PATIENCE:g} s")
        late.status = 408
        raise late from None


def _check_kind(request: web.Request, sent: bool) -> None:
    """Refuse a body that does not call itself JSON; source: moby httputils CheckForJSON."""
    header = request.headers.get("Content-Type", "")
    if not header:
        if sent:
            raise InvalidParameter("malformed Content-Type header (): mime: no media type")
        return
    if header.partition(";")[0].strip().lower() != "application/json":
        raise InvalidParameter(f"unsupported Content-Type header ({header}): must be 'application/json'")
