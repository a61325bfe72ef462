"""A packet at one hook of netfilter: every base chain there in order of priority, until one stops it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from linkspan.insight.trace.packet import Packet
from linkspan.insight.trace.ruleset import (
    ACCEPT,
    DROP,
    GO_ON,
    GOTO,
    JUMP,
    REJECT,
    RETURN,
    Chain,
    Kind,
    Rule,
    Table,
    Undecided,
)

_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Met:
    """A rule that matched (or `doubt`, why nobody can say), or a chain's policy; `words` what it did."""

    table: Table
    chain: str
    hook: str
    rule: Rule | None
    verdict: str
    words: str = ""
    doubt: str = ""


@dataclass(slots=True)
class Passage:
    """How a packet came through a hook: `stopped` is what dropped or rejected it, None if nothing did."""

    packet: Packet
    met: list[Met] = field(default_factory=list)
    stopped: Met | None = None
    masqueraded: bool = False


def passed(tables: Sequence[Table], hook: str, packet: Packet, kind: Kind) -> Passage:
    """Lead a packet past every chain on `hook`; a translation is settled by the first rule that makes one."""
    way = Passage(packet)
    bases = [
        (chain.priority, number, table, chain)
        for number, table in enumerate(tables)
        if table.covers(packet.version)
        for chain in table.chains.values()
        if chain.hook == hook
    ]
    translated = False
    for _, _, table, chain in sorted(bases, key=lambda base: base[:2]):
        if chain.nat and translated:
            continue
        walk = _Walk(table, hook, kind, way)
        verdict = walk.run(chain, 0)
        translated = translated or walk.translated
        if verdict in (RETURN, GO_ON) and chain.policy == DROP:
            way.stopped = Met(table, chain.name, hook, None, DROP)
            way.met.append(way.stopped)
        if way.stopped:
            break
    return way


class _Walk:
    """One base chain and the chains that it leads to."""

    def __init__(self, table: Table, hook: str, kind: Kind, way: Passage) -> None:
        self._table = table
        self._hook = hook
        self._kind = kind
        self._way = way
        self.translated = False

    def run(self, chain: Chain, depth: int) -> str:
        """Return accept, drop, or return when the end of the chain was reached."""
        for rule in chain.rules:
            verdict = self._ask(chain, rule, depth)
            if verdict != GO_ON:
                return verdict
        return RETURN

    def _ask(self, chain: Chain, rule: Rule, depth: int) -> str:
        way = self._way
        try:
            effect = rule.judge(way.packet, self._kind)
        except Undecided as doubt:
            way.met.append(Met(self._table, chain.name, self._hook, rule, GO_ON, doubt=str(doubt)))
            return GO_ON
        if effect is None:
            return GO_ON
        met = Met(self._table, chain.name, self._hook, rule, effect.verdict, effect.words)
        if effect.verdict in (JUMP, GOTO):
            return self._lead(chain, rule, effect.verdict, effect.target, depth)
        if effect.verdict != GO_ON or effect.words:
            way.met.append(met)
        way.packet = effect.packet
        if effect.translates:
            self.translated = True
            way.masqueraded = way.masqueraded or effect.masquerades
        if effect.verdict in (DROP, REJECT):
            way.stopped = met
            return DROP
        return effect.verdict

    def _lead(self, chain: Chain, rule: Rule, verdict: str, target: str, depth: int) -> str:
        next_chain = self._table.chains.get(target)
        if next_chain is None or depth > _DEEPEST:
            return GO_ON
        before = len(self._way.met)
        found = self.run(next_chain, depth + 1)
        if len(self._way.met) > before:
            self._way.met.insert(before, Met(self._table, chain.name, self._hook, rule, verdict))
        if found == RETURN:
            return RETURN if verdict == GOTO else GO_ON
        return found if found != ACCEPT else ACCEPT
