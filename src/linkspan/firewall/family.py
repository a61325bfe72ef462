"""The rules of one address family in the kernel: install all or nothing, remove whatever is left of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from linkspan.firewall.programs import Programs, RestoreFailed
from linkspan.firewall.render.restore import (
    Saved,
    SavedTable,
    Section,
    additions,
    deletions,
    numbers,
    present,
    split_at,
)
from linkspan.firewall.render.rules import RAW, TEARDOWN_ORDER, Rule

Place = tuple[str, str]
"""A chain: its table and its name."""

CROWD_LIMIT = 30_000
"""Comparisons from which deleting by text is slower than reading the chain and deleting by number.

iptables-nft needs about 1.4 µs per comparison: deleting 1,000 rules behind 1,000 others took 2.5-3.5 s by
text and 0.1 s by number. iptables-legacy compares in a few ns and never needs this.
"""

RAW_HINT = (
    "; containers are protected from direct access by rules in the raw table: set "
    "DOCKER_INSECURE_NO_IPTABLES_RAW=1 in the daemon's environment to do without this protection"
)


class FamilyRules:
    """Adds and removes rules with the programs of one family."""

    def __init__(self, programs: Programs) -> None:
        self.programs = programs

    def install(self, rules: Sequence[Rule]) -> None:
        """Add `rules` in one process; on failure take back what was committed and raise KernelError."""
        sections = additions(rules)
        try:
            self.programs.restore(sections)
        except RestoreFailed as failure:
            committed, refused = split_at(sections, failure.line)
            self._remove_present(rules if failure.line == 0 else _of_tables(rules, committed))
            hint = RAW_HINT if refused and _lacks_raw(refused[0], failure) else ""
            raise failure.kernel_error("adding firewall rules", hint) from failure

    def uninstall(self, rules: Sequence[Rule], crowd: Mapping[Place, int]) -> None:
        """Remove `rules`; those that are gone already are no error.

        `crowd` says how many rules of ours, these included, stand in each chain: it decides how to delete.
        """
        if self.programs.nf_tables and _comparisons(rules, crowd) > CROWD_LIMIT:
            self._remove_by_number(rules)
            return
        sections = deletions(rules)
        try:
            self.programs.restore(sections)
        except RestoreFailed as failure:
            _, left = split_at(sections, failure.line)
            self._remove_present(_of_tables(rules, left))

    def _remove_present(self, rules: Sequence[Rule]) -> None:
        """Read what stands, and delete of `rules` what is really there."""
        doomed = present(self.programs.save(), rules) if rules else []
        try:
            self.programs.restore(deletions(doomed))
        except RestoreFailed as failure:
            raise failure.kernel_error("removing firewall rules") from failure

    def _remove_by_number(self, rules: Sequence[Rule]) -> None:
        """Delete by position, then make sure that nobody moved the rules in between."""
        before = self.programs.save()
        doomed = _by_place(present(before, rules))
        lines: dict[str, list[str]] = defaultdict(list)
        for (table, chain), texts in doomed.items():
            places = numbers(before[table].rules(chain), texts)
            lines[table] += [f"-D {chain} {number}" for number in places]
        try:
            self.programs.restore(_sections(lines))
        except RestoreFailed:
            self._remove_present(rules)
            return
        self._mend(before, self.programs.save(), doomed)

    def _mend(self, before: Saved, after: Saved, doomed: Mapping[Place, Sequence[str]]) -> None:
        """If a rule inserted meanwhile shifted the numbers, put back what was hit in the place of ours."""
        lines: dict[str, list[str]] = defaultdict(list)
        for (table, chain), texts in doomed.items():
            now = Counter(after.get(table, SavedTable()).rules(chain))
            stayed = Counter(before[table].rules(chain)) - Counter(texts)
            left = Counter(texts) & (now - stayed)
            if left:
                lines[table] += [f"-D {chain} {text}" for text in left.elements()]
                lines[table] += [f"-A {chain} {text}" for text in (stayed - now).elements()]
        try:
            self.programs.restore(_sections(lines))
        except RestoreFailed as failure:
            raise failure.kernel_error("removing firewall rules") from failure


def _lacks_raw(section: Section, failure: RestoreFailed) -> bool:
    """Whether the raw table as a whole was refused, not a rule for it."""
    return section.table == RAW and failure.culprit in ("*raw", "COMMIT")


def _sections(lines: Mapping[str, Sequence[str]]) -> list[Section]:
    return [Section(table, tuple(lines[table])) for table in TEARDOWN_ORDER if lines.get(table)]


def _of_tables(rules: Sequence[Rule], sections: Sequence[Section]) -> list[Rule]:
    tables = {section.table for section in sections}
    return [rule for rule in rules if rule.table in tables]


def _by_place(rules: Sequence[Rule]) -> dict[Place, list[str]]:
    places: dict[Place, list[str]] = defaultdict(list)
    for rule in rules:
        places[rule.table, rule.chain].append(rule.arguments)
    return places


def _comparisons(rules: Sequence[Rule], crowd: Mapping[Place, int]) -> int:
    """How many rules iptables-nft would compare at worst: each of ours against every other in its chain."""
    mine = Counter((rule.table, rule.chain) for rule in rules)
    return sum(count * max(crowd.get(place, 0) - count, 0) for place, count in mine.items())
