"""Moments in time: nanoseconds since the epoch inside, RFC 3339 text at the edges."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from linkspan.model.errors import InvalidParameter

SECOND = 1_000_000_000
NEVER = "0001-01-01T00:00:00Z"

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?$",
)
_UNIX = re.compile(r"(\d+)(?:\.(\d{1,9}))?$")


def rfc3339(moment: int) -> str:
    """Return `moment` (ns since the epoch) as RFC 3339 in UTC with nanoseconds, as Go prints RFC3339Nano."""
    seconds, nanos = divmod(moment, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{nanos:09d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def rfc3339_fixed(moment: int) -> str:
    """Return `moment` as RFC 3339 with always nine digits, as Docker prefixes log lines."""
    seconds, nanos = divmod(moment, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{nanos:09d}Z"


def parse_moment(text: str) -> int:
    """Return ns since the epoch for "1700000000.5", an RFC 3339 time or a plain date; 0 for NEVER.

    Raises InvalidParameter for anything else.
    """
    if found := _UNIX.match(text):
        return int(found[1]) * SECOND + int((found[2] or "").ljust(9, "0") or 0)
    found = _RFC3339.match(text)
    if not found:
        raise InvalidParameter(f'failed to parse value as time or duration: "{text}"')
    day, clock, fraction, zone = found.groups()
    clock = clock or "00:00:00"
    clock = clock if clock.count(":") == 2 else clock + ":00"
    zone = "+00:00" if zone in (None, "Z") else zone
    try:
        base = datetime.strptime(f"{day}T{clock}{zone}", "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise InvalidParameter(f'failed to parse value as time or duration: "{text}": {error}') from None
    seconds = int((base - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return max(0, seconds * SECOND + int((fraction or "").ljust(9, "0")))


def to_nanoseconds(text: str) -> int:
    """Return ns since the epoch of RFC 3339 text; 0 for NEVER."""
    return parse_moment(text)


def human_duration(nanoseconds: int) -> str:
    """Return a rough duration as `docker ps` shows it. Source: go-units HumanDuration."""
    seconds = max(0, nanoseconds) // SECOND
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    minutes = seconds // 60
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    return _human_days(hours)


def _human_days(hours: int) -> str:
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{hours // 24 // 365} years"


def go_duration(seconds: float) -> str:
    """Return seconds as Go prints a time.Duration: "300ms", "1.5s", "1m0s", "1h0m5s"."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{rest:g}s"
    if hours:
        return f"{hours:.0f}h{minutes:.0f}m{text}"
    return f"{minutes:.0f}m{text}" if minutes else text
