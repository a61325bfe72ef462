"""Tables, ages and sizes as docker prints them."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns three blanks apart, as wide as their widest cell."""
    widths = [max(len(row[column]) for row in [titles, *rows]) + 3 for column in range(len(titles))]
    lines = []
    for row in [titles, *rows]:
        *left, last = row
        lines.append("".join(f"{cell:<{width}}" for cell, width in zip(left, widths, strict=False)) + last)
    return "\n".join(line.rstrip() for line in lines)


def ago(created: float, now: float | None = None) -> str:
    """ "3 minutes ago", from a moment in Unix seconds."""
    return f"{duration((time.time() if now is None else now) - created)} ago"


def duration(seconds: float) -> str:
    """A span in docker's words (go-units HumanDuration)."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < MINUTE:
        return f"{whole} seconds"
    minutes = whole // MINUTE
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / HOUR + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    days = hours // 24
    for limit, size, unit in ((14, 1, "days"), (60, 7, "weeks"), (730, 30, "months")):
        if days < limit:
            return f"{days // size} {unit}"
    return f"{days // 365} years"


def size(amount: float) -> str:
    """An amount of bytes with three digits and a decimal unit (go-units HumanSize)."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.3g}{unit}"


def ports(listed: Sequence[dict[str, Any]]) -> str:
    """The PORTS column: ranges joined, published ports with host address (docker's DisplayablePorts)."""
    shown = []
    spans: list[list[Any]] = []
    order = sorted(
        listed, key=lambda p: (p["PrivatePort"], p.get("IP", ""), p.get("PublicPort", 0), p["Type"])
    )
    for port in sorted(order, key=lambda p: (p.get("IP", ""), p["Type"])):
        private, public = port["PrivatePort"], port.get("PublicPort", 0)
        key = (port.get("IP", ""), port["Type"], public - private if public else None)
        if spans and spans[-1][0] == key and spans[-1][2] + 1 == private:
            spans[-1][2] = private
        elif not spans or spans[-1][0] != key or spans[-1][2] != private:
            spans.append([key, private, private])
    for (address, protocol, shift), first, last in sorted(spans, key=lambda span: (span[1], span[0][0])):
        inside = f"{_span(first, last)}/{protocol}"
        host = f"[{address}]" if ":" in address else address
        shown.append(inside if shift is None else f"{host}:{_span(first + shift, last + shift)}->{inside}")
    return ", ".join(shown)


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def short(id: str, wanted: bool = True) -> str:
    """An id's first 12 digits, without its "sha256:"."""
    return id.removeprefix("sha256:")[:12] if wanted else id


def cut(text: str, length: int, wanted: bool = True) -> str:
    """At most `length` characters, an ellipsis for the rest."""
    return text if len(text) <= length or not wanted else text[: length - 1] + "…"


def unix_time(text: str) -> float:
    """Unix seconds of an RFC 3339 text in UTC."""
    import calendar

    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole[:19], "%Y-%m-%dT%H:%M:%S"))
    return seconds + (float(f"0.{fraction}") if fraction.isdigit() else 0.0)
