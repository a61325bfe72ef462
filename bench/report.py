"""What the bench writes: targets, their table, and plots; pure, so that no figure comes from anywhere else.

A section of the document carries its targets as comments beside its tables. The table of all targets is made
of those, and so says what the document says, also after a run of single parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

WIDTH, HEIGHT, MARGIN = 640, 320, 56
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700")
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Target:
    """What was to be reached: `figure` is to be at most, or at least, `limit`; both in the same unit."""

    text: str
    figure: float
    sense: Literal["at most", "at least"]
    limit: float

    @property
    def met(self) -> bool:
        return self.figure <= self.limit if self.sense == "at most" else self.figure >= self.limit

    def comment(self) -> str:
        """Return the line that a section carries."""
        return f"<!-- target: {self.text} | {self.figure:.4g} | {self.sense} | {self.limit:.4g} -->"


def targets(document: str) -> list[Target]:
    """Return the targets that the sections of `document` carry, in order."""
    found = re.findall(r"<!-- target: (.*) \| (\S+) \| (at most|at least) \| (\S+) -->", document)
    return [Target(text, float(figure), sense, float(limit)) for text, figure, sense, limit in found]


def targets_table(wanted: Sequence[Target]) -> str:
    """Return the section that says which targets are met and which are missed, missed ones first."""
    lines = ["## Targets", "", "| target | measured | | verdict |", "|---|---|---|---|"]
    for target in sorted(wanted, key=lambda each: each.met):
        verdict = "met" if target.met else "**missed**"
        lines.append(
            f"| {target.text} | {target.figure:.4g} | {target.sense} {target.limit:.4g} | {verdict} |"
        )
    met = sum(target.met for target in wanted)
    return "\n".join([*lines, "", f"{met} of {len(wanted)} targets are met."])


def curves(document: str, section: str, pattern: str) -> dict[str, list[Point]]:
    """Return the points of each series in the tables of one section; `pattern` finds them in a row."""
    found: dict[str, list[Point]] = {}
    body = re.search(rf"<!-- part: {section} -->(.*?)<!-- end: {section} -->", document, re.DOTALL)
    for row in re.finditer(pattern, body.group(1) if body else ""):
        point = (float(row["count"].replace(",", "")), float(row["median"]))
        found.setdefault(row["series"], []).append(point)
    return {name: sorted(points) for name, points in found.items()}


def plot(title: str, across: str, up: str, lines: Mapping[str, Sequence[Point]]) -> str:
    """Return an SVG with a line for each of `lines`, both axes from zero."""
    points = [point for line in lines.values() for point in line]
    widest = max(x for x, _ in points) or 1
    highest = max(y for _, y in points) or 1

    def place(point: Point) -> str:
        x = MARGIN + point[0] / widest * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - point[1] / highest * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f},{y:.1f}"

    left, bottom, right = MARGIN, HEIGHT - MARGIN, WIDTH - MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{left}" y="20" font-size="15">{title}</text>',
        f'<text x="{left}" y="40">{up} (top: {highest:,.4g})</text>',
        f'<text x="{right}" y="{bottom + 34}" text-anchor="end">{across} (right: {widest:,.4g})</text>',
        f'<path d="M{left} {MARGIN}V{bottom}H{right}" fill="none" stroke="#57606a"/>',
    ]
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = " ".join(map(place, line))
        parts += [
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<text x="{left + 12}" y="{MARGIN + 18 * (number + 1)}" fill="{colour}">{name}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
