"""All or nothing, and removal of what is left: against a filter in memory that fails where it is told to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from linkspan.firewall.family import FamilyRules, Place
from linkspan.firewall.programs import Programs, RestoreFailed
from linkspan.firewall.render.restore import Saved, SavedTable, Section
from linkspan.firewall.render.rules import INSERT, Rule
from linkspan.model.errors import KernelError

DROP = Rule(4, "raw", "PREROUTING", "-d 172.17.0.4/32 -j DROP")
OPEN = Rule(4, "filter", "DOCKER", "-d 172.17.0.4/32 -j ACCEPT", INSERT)
DNAT = Rule(4, "nat", "DOCKER", "-p tcp -j DNAT")
RULES = [DROP, OPEN, DNAT]


class Memory(Programs):
    """Tables in memory, with iptables-restore's transactions: table by table, each whole or not at all."""

    def __init__(self, **chains: list[str]) -> None:
        super().__init__(4)
        self.chains = {("nat", "DOCKER"): chains.get("nat", []), ("raw", "PREROUTING"): chains.get("raw", [])}
        self.chains["filter", "DOCKER"] = chains.get("filter", [])
        self.refuse = ""
        self.mumble = False
        self.restores: list[Sequence[Section]] = []
        self.between = lambda: None

    def save(self) -> Saved:
        saved: Saved = {}
        for (table, chain), rules in self.chains.items():
            saved.setdefault(table, SavedTable()).chains[chain] = list(rules)
        if hook := self.between:
            self.between = lambda: None
            self.after = hook
        return saved

    def restore(self, sections: Sequence[Section]) -> None:
        getattr(self, "after", lambda: None)()
        self.after = lambda: None
        self.restores.append(sections)
        number = 0
        for section in sections:
            number += 1
            trial = {place: list(rules) for place, rules in self.chains.items()}
            for line in section.lines:
                number += 1
                if not self._apply(trial, section.table, line) or line == self.refuse:
                    raise RestoreFailed("restore", "no", 0 if self.mumble else number, line)
            self.chains = trial
            number += 1

    def _apply(self, chains: dict[Place, list[str]], table: str, line: str) -> bool:
        verb, chain, text = line.split(" ", 2)
        rules = chains[table, chain]
        if verb == "-A":
            rules.append(text)
        elif verb == "-I":
            rules.insert(0, text)
        elif text.isdigit():
            del rules[int(text) - 1]
        elif text in rules:
            rules.remove(text)
        else:
            return False
        return True


def test_install_is_one_restore() -> None:
    memory = Memory(filter=["-j DROP"])
    FamilyRules(memory).install(RULES)
    assert len(memory.restores) == 1
    assert memory.chains["filter", "DOCKER"] == [OPEN.arguments, "-j DROP"]


@pytest.mark.parametrize("mumble", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_a_failing_table_takes_the_earlier_ones_back(rule: Rule, mumble: bool) -> None:
    memory = Memory(filter=["-j DROP"])
    memory.refuse = f"{'-I' if rule.position == INSERT else '-A'} {rule.chain} {rule.arguments}"
    memory.mumble = mumble
    with pytest.raises(KernelError, match="adding firewall rules") as caught:
        FamilyRules(memory).install(RULES)
    assert memory.chains == Memory(filter=["-j DROP"]).chains
    assert "DOCKER_INSECURE_NO_IPTABLES_RAW" not in str(caught.value)


def test_taking_back_spares_an_equal_rule_in_the_table_that_failed() -> None:
    memory = Memory(nat=[DNAT.arguments])
    memory.refuse = f"-A DOCKER {DNAT.arguments}"
    with pytest.raises(KernelError):
        FamilyRules(memory).install(RULES)
    assert memory.chains == Memory(nat=[DNAT.arguments]).chains


def test_uninstall_what_is_there() -> None:
    memory = Memory(nat=["-j A", DNAT.arguments], raw=["-j B"])
    FamilyRules(memory).uninstall(RULES, Counter())
    assert memory.chains == Memory(nat=["-j A"], raw=["-j B"]).chains


def test_a_removal_that_is_refused_is_an_error() -> None:
    memory = Memory(raw=[DROP.arguments])
    memory.refuse = f"-D PREROUTING {DROP.arguments}"
    with pytest.raises(KernelError, match="removing firewall rules"):
        FamilyRules(memory).uninstall([DROP], Counter())


def crowded() -> tuple[Memory, list[Rule], Counter[Place]]:
    mine = [Rule(4, "nat", "DOCKER", f"-j MINE{number}") for number in range(200)]
    texts = [text for rule in mine for text in (f"-j OTHER{rule.arguments[7:]}", rule.arguments)]
    memory = Memory(nat=texts)
    memory.nf_tables = True
    return memory, mine, Counter({("nat", "DOCKER"): 400})


OTHERS = [f"-j OTHER{number}" for number in range(200)]


def test_many_rules_among_many_others_go_by_number() -> None:
    memory, mine, crowd = crowded()
    FamilyRules(memory).uninstall([*mine, DROP], crowd)
    assert memory.chains["nat", "DOCKER"] == OTHERS
    assert memory.restores[0][0].lines[0] == "-D DOCKER 400"


def test_legacy_deletes_by_text_however_many() -> None:
    memory, mine, crowd = crowded()
    memory.nf_tables = False
    FamilyRules(memory).uninstall(mine, crowd)
    assert memory.restores[0][0].lines[0] == "-D DOCKER -j MINE0"
    assert memory.chains["nat", "DOCKER"] == OTHERS


def test_a_rule_inserted_while_we_counted_costs_nobody_a_rule() -> None:
    memory, mine, crowd = crowded()
    memory.between = lambda: memory.chains["nat", "DOCKER"].insert(0, "-j NEW")
    FamilyRules(memory).uninstall(mine, crowd)
    assert sorted(memory.chains["nat", "DOCKER"]) == sorted([*OTHERS, "-j NEW"])


def test_a_chain_flushed_while_we_counted_is_no_error() -> None:
    memory, mine, crowd = crowded()

    def flush() -> None:
        memory.chains["nat", "DOCKER"][:] = ["-j MINE7"]
        memory.refuse = "-D DOCKER 400"

    memory.between = flush
    memory._apply = lambda chains, table, line: (  # type: ignore[method-assign]
        line != "-D DOCKER 400" and Memory._apply(memory, chains, table, line)
    )
    FamilyRules(memory).uninstall(mine, crowd)
    assert memory.chains["nat", "DOCKER"] == []
