"""The file that remembers which rules in shared chains are ours, so that a later run can tell them apart.

Docker's rules carry no comment, and ours look like Docker's; a rule in POSTROUTING could as well be the
user's. So each is noted before it is written to the kernel, and struck out after it is gone. One line each:

    + 4 nat POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
    - 4 nat POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE

A "+" with no arguments is a chain that we made. The file lives with the daemon's run-time state, whose life
is the kernel's: it needs no fsync. A torn last line of a killed daemon tells of a rule that was not written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from linkspan.firewall.render.rules import Rule

SLACK = 1000
"""Struck-out lines that may gather before the file is rewritten."""


class Journal:
    """The noted rules; kept in memory only when `path` is None."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._noted: Counter[Rule] = Counter()
        self._lines = 0
        if path is not None and path.exists():
            *lines, _torn = path.read_text().split("\n")
            for line in lines:
                self._replay(line)
            self._rewrite(path)

    def rules(self, family: int) -> list[Rule]:
        """Return the noted rules of `family`, in the order of noting."""
        return [rule for rule in self._noted.elements() if rule.family == family]

    def note(self, rules: Iterable[Rule]) -> None:
        """Remember those of `rules` that live in shared chains."""
        self._write("+", rules)

    def strike(self, rules: Iterable[Rule]) -> None:
        """Forget those of `rules` that live in shared chains."""
        self._write("-", rules)

    def _write(self, sign: str, rules: Iterable[Rule]) -> None:
        lines = [_line(sign, rule) for rule in rules if rule.shared]
        for line in lines:
            self._replay(line)
        if self._path is None or not lines:
            return
        if not self._noted or self._lines > 2 * self._noted.total() + SLACK:
            self._rewrite(self._path)
            return
        with self._path.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def _rewrite(self, path: Path) -> None:
        lines = [_line("+", rule) for rule in self._noted.elements()]
        self._lines = len(lines)
        if not lines:
            path.unlink(missing_ok=True)
            return
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text("".join(f"{line}\n" for line in lines))
        fresh.replace(path)

    def _replay(self, line: str) -> None:
        words = line.split(" ", 4)
        if len(words) < 4 or not words[1].isdigit():
            return
        rule = Rule(int(words[1]), words[2], words[3], words[4] if len(words) == 5 else "")
        self._lines += 1
        self._noted[rule] += 1 if words[0] == "+" else -1
        if self._noted[rule] <= 0:
            del self._noted[rule]


def _line(sign: str, rule: Rule) -> str:
    return f"{sign} {rule.family} {rule.table} {rule.chain} {rule.arguments}".rstrip()
