"""What of ours a packet filter lacks, and what stands in our chains and is nobody's; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from linkspan.firewall.render.restore import Saved, SavedTable, present
from linkspan.firewall.render.rules import OWN_CHAINS, Rule


def differences(family: int, saved: Saved, wanted: Sequence[Rule]) -> Iterator[str]:
    """Yield one line for each rule of `wanted` that `saved` lacks, and for each that our chains have besides.

    Rules in chains that are shared with others are looked for, and otherwise none of our business.
    """
    program = "iptables" if family == 4 else "ip6tables"
    for rule in _minus(wanted, present(saved, wanted)):
        yield f"rule `{program} -t {rule.table} -A {rule.chain} {rule.arguments}` is missing"
    for table, chains in OWN_CHAINS.items():
        for chain in chains:
            ours = Counter(rule.arguments for rule in wanted if (rule.table, rule.chain) == (table, chain))
            found = Counter(saved.get(table, SavedTable()).rules(chain))
            for arguments in (found - ours).elements():
                yield f"rule `{program} -t {table} -A {chain} {arguments}` belongs to nothing"


def _minus(rules: Sequence[Rule], found: Sequence[Rule]) -> list[Rule]:
    return list((Counter(rules) - Counter(found)).elements())
