"""The small grammars of compose files: durations, sizes, switches, numbers, command lines (pure).

Source: Compose Specification, "Specifying durations", "Specifying byte values"; Go's time.Duration.
"""

from __future__ import annotations

import re
import shlex
from decimal import Decimal, InvalidOperation
from typing import Any

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?", re.IGNORECASE)
_TRUE = ("true", "1", "t", "yes", "y", "on")
_FALSE = ("false", "0", "f", "no", "n", "off", "")


def nanoseconds(value: Any) -> int:
    """ "1m30s" as nanoseconds; ValueError when it is no duration."""
    text = str(value).strip()
    parts = _DURATION.findall(text)
    if text in ("0", "") or not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        if text == "0":
            return 0
        raise ValueError(f'"{text}" is not a duration: write it like 10s, 1m30s or 500ms')
    return sum(int(Decimal(number) * _UNITS[unit]) for number, unit in parts)


def duration(value: Any) -> str:
    """A duration as Go writes it: "1m30s", "500ms", "1h0m0s"."""
    total = nanoseconds(value)
    if total == 0:
        return "0s"
    if total < 1_000_000_000:
        for unit in ("ms", "µs", "ns"):
            if total >= _UNITS[unit]:
                return f"{_decimal(Decimal(total) / _UNITS[unit])}{unit}"
    minutes, rest = divmod(total, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(Decimal(rest) / _UNITS['s'])}s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + seconds


def _decimal(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(value: Any) -> int:
    """Bytes of 512, "512m", "1.5gb"; -1 stays -1 (unlimited). ValueError when it is no size."""
    text = str(value).strip()
    if text == "-1":
        return -1
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a size: write it like 512m, 1.5g or a number of bytes')
    return int(Decimal(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " "))


def boolean(value: Any) -> bool:
    """true, or a text that says so; ValueError for other texts."""
    text = str(value).lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError(f'"{value}" is neither true nor false')


def integer(value: Any) -> int:
    """A whole number, or a text that is one; ValueError for others."""
    try:
        return int(value) if not isinstance(value, str) else int(value.strip(), 0)
    except ValueError:
        raise ValueError(f'"{value}" is not a whole number') from None


def number(value: Any) -> int | float:
    """A number, or a text that is one; whole ones without a fraction. ValueError for others."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f'"{value}" is not a number') from None
    return int(found) if found == found.to_integral_value() else float(found)


def text(value: Any) -> str:
    """A scalar as compose writes it into a text: true, 1.5, 10."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def command_line(value: Any) -> list[str] | None:
    """A command given as a list or as one line in shell quoting; None stays None. ValueError: open quotes."""
    if value is None:
        return None
    if isinstance(value, list):
        return [text(word) for word in value]
    try:
        return shlex.split(str(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not a command line: {error}") from None
