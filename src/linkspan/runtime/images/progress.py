"""Progress as Docker's clients read it: one JSON message per line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Message = Mapping[str, Any]
Report = Callable[[Message], None]
_WIDTH = 50


def status(text: str, id: str = "") -> dict[str, Any]:
    """A line that says what happens, about the layer or tag `id` if given."""
    return {"status": text, "id": id} if id else {"status": text}


def layer_status(text: str, id: str) -> dict[str, Any]:
    """A line about a layer that has no figures (yet)."""
    return {"status": text, "progressDetail": {}, "id": id}


def layer_progress(text: str, id: str, current: int, total: int) -> dict[str, Any]:
    """A line about a layer of which `current` of `total` bytes are done."""
    return {
        "status": text,
        "progressDetail": {"current": current, "total": total},
        "progress": _bar(current, total),
        "id": id,
    }


def human(size: float) -> str:
    """A size in decimal units with at most four significant digits, as Docker writes it: 1.234MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.4g}{unit}"
        size /= 1000
    raise AssertionError


def _bar(current: int, total: int) -> str:
    if total <= 0:
        return human(current)
    done = min(_WIDTH, _WIDTH * current // total)
    return f"[{'=' * done + '>':<{_WIDTH}}]  {human(current)}/{human(total)}"
