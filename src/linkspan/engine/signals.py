"""Signals as users write them: "9", "KILL", "SIGKILL", "rtmin+3" (pure)."""

from __future__ import annotations

from signal import Signals

from linkspan.model.errors import InvalidParameter
from linkspan.model.numbers import is_number

_RTMIN, _RTMAX = 34, 64


def signal_number(text: str) -> int:
    """Return the number of a signal; raises InvalidParameter "Invalid signal: X". Source: moby/sys/signal."""
    if is_number(text):
        number = int(text)
        if 0 < number <= _RTMAX:
            return number
        raise InvalidParameter(f"invalid signal: {text}")
    name = text.upper().removeprefix("SIG")
    if found := Signals.__members__.get("SIG" + name):
        return int(found)
    for base, sign, origin in (("RTMIN", "+", _RTMIN), ("RTMAX", "-", _RTMAX)):
        digits = name.removeprefix(base + sign)
        if digits != name and is_number(digits) and _RTMIN <= origin + int(sign + digits) <= _RTMAX:
            return origin + int(sign + digits)
    raise InvalidParameter(f"invalid signal: {text}")
