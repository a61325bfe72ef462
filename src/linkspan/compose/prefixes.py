"""Lines of several containers under one another: "web-1  | hello", each container in its colour (pure)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class Prefixes:
    """Puts a container's name before its lines."""

    def __init__(self, project: str, names: Sequence[str], *, colours: bool, shown: bool = True) -> None:
        self._project = project
        self.names = tuple(names)
        self._width = max((len(self.short(name)) for name in names), default=0)
        self._colours = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(names)} if colours else {}
        self._shown = shown

    def short(self, name: str) -> str:
        """A container's name without the project's."""
        for sign in ("-", "_"):
            name = name.removeprefix(f"{self._project}{sign}")
        return name

    def line(self, name: str, line: bytes) -> bytes:
        """The line as it is shown, with its end."""
        if not self._shown:
            return line + b"\n"
        prefix = f"{self.short(name):<{self._width}}  | "
        if name in self._colours:
            prefix = f"\033[{self._colours[name]}m{prefix}\033[0m"
        return prefix.encode() + line + b"\n"


def sorted_lines(
    found: Iterable[Iterable[tuple[str, int, bytes]]],
) -> Iterable[tuple[str, int, bytes]]:
    """The lines (container, stream, time and text) of several containers in the order of time."""
    return heapq.merge(*found, key=lambda entry: entry[2].partition(b" ")[0])
