"""Filters that lists and prunes of every kind of object share: labels, and `until`.

Source: Docker Engine API, the `filters` parameter of the list and prune endpoints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from linkspan.model.errors import InvalidParameter
from linkspan.model.timestamps import SECOND, parse_moment

Filters = Mapping[str, Sequence[str]]

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)")


def labels_match(labels: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Return whether `labels` has every "key" and "key=value" of `wanted`."""
    return all(_has(labels, item) for item in wanted)


def labels_pass(labels: Mapping[str, str], filters: Filters) -> bool:
    """Return whether `labels` passes the filters `label` (all of them) and `label!` (none of them)."""
    unwanted = any(_has(labels, item) for item in filters.get("label!", ()))
    return labels_match(labels, filters.get("label", ())) and not unwanted


def _has(labels: Mapping[str, str], item: str) -> bool:
    key, equals, value = item.partition("=")
    return key in labels and (not equals or labels[key] == value)


def truth(filters: Filters, name: str) -> bool | None:
    """Return what a filter that is true or false says, None when it is not given.

    Raises InvalidParameter for other values, and for both at once.
    """
    values = list(filters.get(name, ()))
    if not values:
        return None
    true, false = not {"1", "true"}.isdisjoint(values), not {"0", "false"}.isdisjoint(values)
    if true == false:
        raise InvalidParameter(f"invalid filter '{name}=[{' '.join(values)}]'")
    return true


def until(filters: Filters, now: int) -> int | None:
    """Return the moment (ns since the epoch) that the `until` filter names, None when there is none.

    It is Unix seconds, RFC 3339 text, or a Go duration before `now` ("10m", "1h30m").
    """
    values = filters.get("until", ())
    if len(values) > 1:
        raise InvalidParameter("more than one until filter specified")
    if not values:
        return None
    span = duration(values[0])
    return parse_moment(values[0]) if span is None else now - span


def duration(text: str) -> int | None:
    """Return a Go duration such as "1h30m" in nanoseconds, or None when `text` is none."""
    found = _DURATION.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        return None
    return int(sum(float(number) * _UNITS[unit] for number, unit in found) * SECOND)
