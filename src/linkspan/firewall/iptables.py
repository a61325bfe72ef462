"""The firewall written with iptables: one iptables-restore (and one ip6tables-restore) per change.

Whose rule is it? Docker writes no comments on its rules, and the kernel has to look like Docker's, so:

- Everything in the chains DOCKER, DOCKER-FORWARD, DOCKER-CT, DOCKER-INTERNAL and DOCKER-BRIDGE is ours.
  DOCKER-USER is the user's: we make it when it is missing, and never write into it.
- A jump into one of these chains, worded as Docker words it, is ours.
- A rule in a shared chain (POSTROUTING, raw PREROUTING) is ours if this process put it there, or an earlier
  one noted it in its journal (see journal.py). A rule of the user that merely resembles ours is not in the
  journal; of two rules with the same words one is removed and the other stays.

A rule that several facts ask for stands once and goes with the last of them. Each table is a transaction of
its own: when a later one fails, the earlier ones are taken back. The policy of FORWARD is left alone: Docker
sets it to DROP when it switches forwarding on, but none of its rules, nor ours, counts on that any more.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from linkspan.blueprint.facts import Fact
from linkspan.firewall.family import FamilyRules, Place
from linkspan.firewall.journal import Journal
from linkspan.firewall.obstacles import LEGACY, obstacles
from linkspan.firewall.programs import Programs, RestoreFailed
from linkspan.firewall.render import ground
from linkspan.firewall.render.compare import differences
from linkspan.firewall.render.iptables import base_jumps, base_rules, render
from linkspan.firewall.render.restore import present
from linkspan.firewall.render.rules import RAW, Rule
from linkspan.model.errors import LinkspanError

log = logging.getLogger(__name__)

SILENT = (
    "the rules are iptables-legacy's: the kernel does not tell when others change them, so that they are not"
    " put back by themselves; run `linkspan doctor --repair` after a flush or a reload of the host's"
    " firewall, or use iptables-nft or --firewall-backend=nftables"
)


class IptablesFirewall:
    """Keeps firewall facts true with iptables; thread-safe, in the network namespace of the calling thread.

    `binary` is "iptables" or a variant such as "iptables-legacy"; `journal` is a file in the daemon's
    run-time directory (None: a later run cannot recognise what this one leaves). `ip6tables` false leaves
    IPv6 without rules. `raw` false does without the raw table, as DOCKER_INSECURE_NO_IPTABLES_RAW=1 does.
    `accept_mark` is Docker's --bridge-accept-fwmark.
    """

    name = "iptables"

    def __init__(
        self,
        binary: str = "iptables",
        journal: Path | None = None,
        *,
        userland_proxy: bool = True,
        ip6tables: bool = True,
        raw: bool | None = None,
        accept_mark: str = "",
    ) -> None:
        self._userland_proxy = userland_proxy
        self._ip6tables = ip6tables
        self._raw = os.environ.get("DOCKER_INSECURE_NO_IPTABLES_RAW") != "1" if raw is None else raw
        self._accept_mark = accept_mark
        self._families = {family: FamilyRules(Programs(family, binary)) for family in (4, 6)}
        self._missing = {6: "ip6tables has not been started", 4: "iptables has not been started"}
        self._journal = Journal(journal)
        self._counts: Counter[Rule] = Counter()
        self._crowd: dict[int, Counter[Place]] = {4: Counter(), 6: Counter()}
        self._lock = threading.Lock()

    def start(self, facts: Sequence[Fact] = ()) -> None:
        """Make the chains and jumps, with the rules of `facts`, and remove what an earlier run left.

        Raises LinkspanError if iptables is not installed and KernelError if the kernel has no tables for it.
        Where only ip6tables fails, that is logged, and facts of IPv6 are refused later, as in Docker.
        """
        with self._lock:
            wanted = self._render(facts)
            self._start_family(4, wanted)
            if self._ip6tables:
                try:
                    self._start_family(6, wanted)
                except LinkspanError as error:
                    if any(rule.family == 6 for rule in wanted):
                        raise
                    log.warning("ip6tables is enabled, but cannot set up ip6tables chains: %s", error)
                    self._missing[6] = str(error)
            if not self._families[4].programs.nf_tables:
                log.warning("%s", SILENT)
            self._counts = Counter(wanted)
            for family, crowd in self._crowd.items():
                crowd.clear()
                crowd.update(_places(self._counts, family))

    def add(self, facts: Sequence[Fact]) -> None:
        """Write the rules of `facts`, all or none; KernelError names the rule that was refused.

        If our chains are gone (somebody's `nft flush ruleset`), all that is missing is put back first.
        """
        with self._lock:
            rules = self._render(facts)
            fresh = [rule for rule in dict.fromkeys(rules) if not self._counts[rule]]
            self._require(fresh)
            try:
                self._install(fresh)
            except LinkspanError:
                if not self._heal():
                    raise
                self._install(fresh)
            self._counts.update(rules)
            for family, crowd in self._crowd.items():
                crowd.update(_places(fresh, family))

    def remove(self, facts: Sequence[Fact]) -> None:
        """Delete the rules of `facts` that no other fact asks for; what is gone already is no error.

        Both families are tried before an error is raised, and the facts are forgotten in any case.
        """
        with self._lock:
            doomed = self._release(self._render(facts))
            errors = []
            for family, rules in self._families.items():
                mine = [rule for rule in doomed if rule.family == family]
                try:
                    rules.uninstall(mine, self._crowd[family])
                except LinkspanError as error:
                    errors.append(error)
                else:
                    self._journal.strike(mine)
                self._crowd[family].subtract(_places(doomed, family))
            if errors:
                raise errors[0]

    def stop(self) -> None:
        """Remove our rules, jumps and chains of this run and of earlier ones; the user's rules stay.

        DOCKER-USER stays, and so does the jump to it, when there is a rule in it or when we did not make it.
        """
        with self._lock:
            self._stop()
        self.close()

    def _stop(self) -> None:
        self._counts.clear()
        for family, rules in self._families.items():
            self._crowd[family].clear()
            if family == 6 and not self._ip6tables:
                continue
            noted = self._journal.rules(family)
            try:
                saved = rules.programs.save()
            except LinkspanError:
                if family == 6 and not noted:
                    continue  # a kernel without tables of IPv6 holds nothing of ours
                raise
            self._restore(rules, ground.stop(saved, noted, family), "removing the firewall's chains")
            self._journal.strike(noted)

    def close(self) -> None:
        """End the processes that write the rules; the rules stay. The next change starts new ones."""
        with self._lock:
            for rules in self._families.values():
                rules.programs.close()

    def heal(self) -> bool:
        """Put back what somebody else removed of ours; tell whether anything was missing.

        For `iptables -F`, a reload of the host's firewall and the like. One iptables-save when all is well.
        """
        with self._lock:
            return self._heal()

    def differences(self) -> list[str]:
        """Return what is missing of ours, and what stands in our chains and belongs to nothing."""
        with self._lock:
            return [
                text
                for family in (4, 6)
                if family not in self._missing
                for text in differences(family, self._families[family].programs.save(), self._all(family))
            ]

    def restore(self) -> None:
        """Write all of ours anew, and nothing besides in our chains; what stands is never gone meanwhile."""
        with self._lock:
            for family in (4, 6):
                if family not in self._missing:
                    self._ground(family, list(self._counts))

    def obstacles(self) -> list[str]:
        """Return what else on this host drops our packets; FORWARD's policy does not: ours come first."""
        with self._lock:
            bridges = {
                family: {
                    rule.arguments.split()[1]
                    for rule in self._counts
                    if rule.family == family and rule.chain == "DOCKER-BRIDGE"
                }
                for family in (4, 6)
            }
        nf_tables = self._families[4].programs.nf_tables
        return obstacles(bridges, ("ip filter", "ip6 filter") if nf_tables else (LEGACY,))

    def _heal(self) -> bool:
        broken = [family for family in (4, 6) if family not in self._missing and not self._stands(family)]
        for family in broken:
            self._ground(family, list(self._counts))
        return bool(broken)

    def _stands(self, family: int) -> bool:
        wanted = self._all(family)
        return len(present(self._families[family].programs.save(), wanted)) == len(wanted)

    def _all(self, family: int) -> list[Rule]:
        return [*base_jumps(family, self._userland_proxy), *self._content(family, self._counts)]

    def _content(self, family: int, wanted: Iterable[Rule]) -> list[Rule]:
        mine = [rule for rule in wanted if rule.family == family]
        return [*base_rules(family, self._accept_mark), *dict.fromkeys(mine)]

    def _start_family(self, family: int, wanted: Sequence[Rule]) -> None:
        self._families[family].programs.probe()
        self._ground(family, wanted)
        self._missing.pop(family, None)

    def _ground(self, family: int, wanted: Sequence[Rule]) -> None:
        rules = self._families[family]
        noted = self._journal.rules(family)
        jumps = base_jumps(family, self._userland_proxy)
        content = self._content(family, wanted)
        plan = ground.start(rules.programs.save(), noted, jumps, content)
        self._journal.note(plan.shared)
        self._restore(rules, plan, "setting up the firewall's chains")
        self._journal.strike(noted)

    def _restore(self, rules: FamilyRules, plan: ground.Plan, attempt: str) -> None:
        try:
            rules.programs.restore(plan.sections)
        except RestoreFailed as failure:
            raise failure.kernel_error(attempt) from failure

    def _install(self, fresh: Sequence[Rule]) -> None:
        done: list[Rule] = []
        try:
            self._journal.note(fresh)
            for family, rules in self._families.items():
                mine = [rule for rule in fresh if rule.family == family]
                rules.install(mine)
                done += mine
        except (LinkspanError, OSError):
            for family, rules in self._families.items():
                rules.uninstall([rule for rule in done if rule.family == family], self._crowd[family])
            self._journal.strike(fresh)
            raise

    def _render(self, facts: Iterable[Fact]) -> list[Rule]:
        return [
            rule
            for rule in render(facts)
            if (self._raw or rule.table != RAW) and (self._ip6tables or rule.family == 4)
        ]

    def _release(self, rules: Sequence[Rule]) -> list[Rule]:
        """Count `rules` down; return those that nobody asks for any more."""
        doomed = []
        for rule in rules:
            if self._counts[rule] == 1:
                doomed.append(rule)
            self._counts[rule] -= 1
            if self._counts[rule] <= 0:
                del self._counts[rule]
        return doomed

    def _require(self, rules: Sequence[Rule]) -> None:
        for rule in rules:
            if rule.family in self._missing:
                raise LinkspanError(f"cannot add firewall rules: {self._missing[rule.family]}")


def _places(rules: Iterable[Rule], family: int) -> Counter[Place]:
    return Counter((rule.table, rule.chain) for rule in rules if rule.family == family)
