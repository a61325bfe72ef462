"""What start and stop write: our chains, the jumps into them, and what an earlier run left; pure.

Both are worked out from what iptables-save printed, so that they write only the difference to the shared
chains. Our own chains are flushed and filled again in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from linkspan.firewall.render.iptables import base_jumps
from linkspan.firewall.render.restore import Saved, SavedTable, Section, additions, deletions, present
from linkspan.firewall.render.rules import (
    FILTER,
    OWN_CHAINS,
    SETUP_ORDER,
    TEARDOWN_ORDER,
    USER_CHAIN,
    Rule,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Sections to restore, and the shared rules and chains that are ours once they are in force."""

    sections: list[Section]
    shared: list[Rule]


def user_chain(family: int) -> Rule:
    """Return the mark, for the journal, of DOCKER-USER having been made by us."""
    return Rule(family, FILTER, USER_CHAIN, "")


def start(saved: Saved, noted: Sequence[Rule], jumps: Sequence[Rule], wanted: Sequence[Rule]) -> Plan:
    """Return what brings `saved` to `jumps` and `wanted`, nothing else of ours remaining.

    `noted` are the shared rules that an earlier run left or may have left. Those that are wanted again are
    not touched, so that they never cease.
    """
    family = jumps[0].family
    old = [rule for rule in present(saved, noted) if rule.arguments]
    plain = [Rule(rule.family, rule.table, rule.chain, rule.arguments) for rule in wanted if rule.shared]
    keep = Counter(old) & Counter(plain)
    gone = [rule for rule in (Counter(old) - keep).elements() if rule not in _all_jumps(family)]
    fresh = _without(wanted, keep)
    placed, stale = _jump_lines(saved, jumps)
    lines = _merged(SETUP_ORDER, [_chains(saved), deletions(gone), stale, placed, additions(fresh)])
    ours = [jump for jump in jumps if jump in noted or not present(saved, [jump])]
    if USER_CHAIN not in saved.get(FILTER, SavedTable()).chains or user_chain(family) in noted:
        ours.append(user_chain(family))
    return Plan(lines, [*ours, *plain])


def stop(saved: Saved, noted: Sequence[Rule], family: int) -> Plan:
    """Return what removes all that is ours from `saved`: the noted shared rules, the jumps, the chains.

    DOCKER-USER goes only if we made it and it is empty. A chain of ours that somebody else's rule jumps to
    is emptied and left.
    """
    jumps = _all_jumps(family)
    user_jump = Rule(family, FILTER, "FORWARD", f"-j {USER_CHAIN}")
    spent = not saved.get(FILTER, SavedTable()).rules(USER_CHAIN)
    doomed = [rule for rule in noted if rule.arguments and rule not in jumps]
    doomed += [jump for jump in jumps if jump != user_jump]
    doomed += [user_jump] if user_jump in noted and spent else []
    doomed = present(saved, doomed)
    left = _minus(saved, doomed)
    chains = [
        Section(table, tuple(_removal(left, table, user_chain(family) in noted))) for table in OWN_CHAINS
    ]
    return Plan(_merged(TEARDOWN_ORDER, [deletions(doomed), chains]), [])


def _all_jumps(family: int) -> list[Rule]:
    """The jumps of both settings of the userland proxy."""
    return list(dict.fromkeys([*base_jumps(family, True), *base_jumps(family, False)]))


def _chains(saved: Saved) -> list[Section]:
    """Declaring a chain empties it, or makes it; DOCKER-USER is declared only when it is not there."""
    lines = {table: [f":{chain} - [0:0]" for chain in chains] for table, chains in OWN_CHAINS.items()}
    if USER_CHAIN not in saved.get(FILTER, SavedTable()).chains:
        lines[FILTER].append(f":{USER_CHAIN} - [0:0]")
    return [Section(table, tuple(text)) for table, text in lines.items()]


def _jump_lines(saved: Saved, jumps: Sequence[Rule]) -> tuple[list[Section], list[Section]]:
    """Return the sections that put the jumps in their places, and those that take wrong ones away."""
    family = jumps[0].family
    top = [jump for jump in jumps if jump.chain == "FORWARD"]
    texts = [jump.arguments for jump in top]
    forward = saved.get(FILTER, SavedTable()).rules("FORWARD")
    standing = [text for text in forward if text in texts]
    stale: list[Rule] = []
    placed: list[Section] = []
    if forward[: len(texts)] != texts or len(standing) != len(texts):
        stale += [Rule(family, FILTER, "FORWARD", text) for text in standing]
        placed.append(
            Section(FILTER, tuple(f"-I FORWARD {n} {text}" for n, text in enumerate(texts, start=1)))
        )
    others = [jump for jump in jumps if jump.chain != "FORWARD"]
    stale += present(saved, [jump for jump in _all_jumps(family) if jump not in jumps])
    missing = [jump for jump in others if not present(saved, [jump])]
    return [*placed, *additions(missing)], deletions(stale)


def _removal(left: Saved, table: str, user_chain_ours: bool) -> list[str]:
    chains = left.get(table, SavedTable()).chains
    own = [chain for chain in OWN_CHAINS[table] if chain in chains]
    foreign = [text for chain, texts in chains.items() if chain not in own for text in texts]
    lines = [f"-F {chain}" for chain in own]
    if table == FILTER and user_chain_ours and not chains.get(USER_CHAIN, [""]):
        own.append(USER_CHAIN)
    return lines + [f"-X {chain}" for chain in own if not any(_leads_to(text, chain) for text in foreign)]


def _leads_to(arguments: str, chain: str) -> bool:
    words = arguments.split()
    return any(pair in (("-j", chain), ("-g", chain)) for pair in pairwise(words))


def _minus(saved: Saved, doomed: Sequence[Rule]) -> Saved:
    left = {
        table: SavedTable({c: list(texts) for c, texts in has.chains.items()}) for table, has in saved.items()
    }
    for rule in doomed:
        left[rule.table].chains[rule.chain].remove(rule.arguments)
    return left


def _without(rules: Sequence[Rule], keep: Counter[Rule]) -> list[Rule]:
    rest = Counter(keep)
    fresh = []
    for rule in rules:
        plain = Rule(rule.family, rule.table, rule.chain, rule.arguments)
        if rest[plain] > 0:
            rest[plain] -= 1
        else:
            fresh.append(rule)
    return fresh


def _merged(order: Sequence[str], groups: Sequence[Sequence[Section]]) -> list[Section]:
    """Join the sections of each table, in the order of the groups."""
    lines: dict[str, list[str]] = {table: [] for table in order}
    for group in groups:
        for section in group:
            lines[section.table] += section.lines
    return [Section(table, tuple(lines[table])) for table in order if lines[table]]
