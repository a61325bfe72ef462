"""The input of iptables-restore made from rules, and the output of iptables-save read back: pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from linkspan.firewall.render.rules import INSERT, SETUP_ORDER, TEARDOWN_ORDER, Rule


@dataclass(frozen=True, slots=True)
class Section:
    """What one table gets in one transaction: the lines between "*table" and "COMMIT"."""

    table: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SavedTable:
    """One table as iptables-save prints it: the rules of each chain, in order, without "-A CHAIN "."""

    chains: dict[str, list[str]] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)

    def rules(self, chain: str) -> list[str]:
        """Return the rules of `chain`, none for a chain that is not there."""
        return self.chains.get(chain, [])


Saved = dict[str, SavedTable]


def document(sections: Iterable[Section]) -> str:
    """Return the text for iptables-restore; tables without lines are left out."""
    return "".join(
        f"*{section.table}\n" + "".join(f"{line}\n" for line in section.lines) + "COMMIT\n"
        for section in sections
        if section.lines
    )


def additions(rules: Sequence[Rule]) -> list[Section]:
    """Return the sections that add `rules`, what drops first (see SETUP_ORDER)."""
    lines: dict[str, list[str]] = {table: [] for table in SETUP_ORDER}
    for rule in rules:
        verb = "-I" if rule.position == INSERT else "-A"
        lines[rule.table].append(f"{verb} {rule.chain} {rule.arguments}")
    return [Section(table, tuple(lines[table])) for table in SETUP_ORDER if lines[table]]


def deletions(rules: Sequence[Rule]) -> list[Section]:
    """Return the sections that delete `rules`, what opens first.

    Rules that were inserted come in reverse, the order in which they stand: iptables-nft compares every rule
    from the head of the chain, so that deleting in the chain's own order finds each at once.
    """
    lines: dict[str, list[str]] = {table: [] for table in TEARDOWN_ORDER}
    appended = [rule for rule in rules if rule.position != INSERT]
    inserted = [rule for rule in reversed(rules) if rule.position == INSERT]
    for rule in appended + inserted:
        lines[rule.table].append(f"-D {rule.chain} {rule.arguments}")
    return [Section(table, tuple(lines[table])) for table in TEARDOWN_ORDER if lines[table]]


def parse(text: str) -> Saved:
    """Return the tables in the output of iptables-save (rules without counters)."""
    saved: Saved = {}
    table = SavedTable()
    for line in text.splitlines():
        if line.startswith("*"):
            table = saved.setdefault(line[1:], SavedTable())
        elif line.startswith(":"):
            name, policy = line[1:].split(" ")[:2]
            table.chains.setdefault(name, [])
            table.policies[name] = policy
        elif line.startswith("-A "):
            _, chain, arguments = [*line.split(" ", 2), ""][:3]
            table.chains.setdefault(chain, []).append(arguments)
    return saved


def present(saved: Saved, rules: Iterable[Rule]) -> list[Rule]:
    """Return those of `rules` that stand in `saved`, each as often as it is asked for and there."""
    stock: dict[tuple[str, str], Counter[str]] = {}
    found = []
    for rule in rules:
        place = (rule.table, rule.chain)
        if place not in stock:
            stock[place] = Counter(saved.get(rule.table, SavedTable()).rules(rule.chain))
        if stock[place][rule.arguments] > 0:
            stock[place][rule.arguments] -= 1
            found.append(rule)
    return found


def numbers(chain: Sequence[str], doomed: Iterable[str]) -> list[int]:
    """Return the numbers, from 1 and highest first, of the rules of `chain` that `doomed` asks for."""
    wanted = Counter(doomed)
    hits = []
    for number, arguments in enumerate(chain, start=1):
        if wanted[arguments] > 0:
            wanted[arguments] -= 1
            hits.append(number)
    return hits[::-1]


def failed_line(complaint: str) -> int:
    """Return the input line that iptables-restore complains about, 0 if it names none."""
    match = re.search(r"line:? (\d+)", complaint)
    return int(match[1]) if match else 0


def split_at(sections: Sequence[Section], line: int) -> tuple[list[Section], list[Section]]:
    """Return the sections that were committed before input line `line` failed, and the others.

    Each table is a transaction of its own. With `line` 0 nothing is known to be committed.
    """
    end = 0
    for index, section in enumerate(sections):
        end += len(section.lines) + 2
        if line <= end:
            return list(sections[:index]), list(sections[index:])
    return list(sections), []
