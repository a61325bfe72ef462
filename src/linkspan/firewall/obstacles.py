"""What other packet filters of this host would drop of our traffic, and what to do about it.

A packet that one table accepts is still dropped when another one drops it, so somebody else's firewall can
cut off containers whatever our own rules say. We never touch it: we say what stands there, and the remedy.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass

from linkspan.firewall.libnftables import Libnftables, NftRefused
from linkspan.firewall.nfnetlink import GET_CHAIN, NfTables
from linkspan.firewall.programs import Programs
from linkspan.firewall.render.elements import TABLE
from linkspan.kernel import wire
from linkspan.model.errors import LinkspanError

LEGACY = "iptables-legacy"
_TABLE, _NAME, _HOOK, _POLICY = 1, 3, 4, 5
_HOOK_NUMBER, _DROP = 1, 0
INPUT, FORWARD = 1, 2
_FAMILIES = {1: "inet", 2: "ip", 10: "ip6"}

Bridges = Mapping[int, Collection[str]]
"""The bridges of our networks, by family."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Somebody's base chain in one hook; `drops` is its policy, `rules` the text of its table."""

    family: str
    table: str
    name: str
    drops: bool
    rules: str

    @property
    def program(self) -> str:
        """Return the iptables program that this chain belongs to, "" if none."""
        return {"ip": "iptables", "ip6": "ip6tables"}.get(self.family, "") if self.name == "FORWARD" else ""

    def blocked(self, bridges: Bridges) -> list[str]:
        """Return those of `bridges` that no rule names for both directions."""
        families = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}[self.family]
        concerned = {bridge for family in families for bridge in bridges.get(family, ())}
        into, out = (re.findall(rf'{way} "([^"]+)"', self.rules) for way in ("oifname", "iifname"))
        return sorted(bridge for bridge in concerned if not (_named(bridge, into) and _named(bridge, out)))

    def sentence(self, bridges: list[str]) -> str:
        """Return what this chain does to `bridges`, and the remedy; "" when it does no harm."""
        names = ", ".join(bridges)
        where = f"the nftables table {self.family} {self.table}"
        if not bridges:
            return ""
        if self.table == "firewalld":
            adding = " ".join(f"--add-interface={bridge}" for bridge in bridges)
            return (
                f"firewalld ({where}) rejects what it does not know and has no zone for {names}: "
                f"`firewall-cmd --permanent --zone=trusted {adding} && firewall-cmd --reload` lets it pass"
            )
        if not self.drops:
            return ""
        if self.program:
            return policy_sentence(self.program, "ufw" in self.rules, names)
        place = f"{self.family} {self.table} {self.name}"
        return (
            f"the chain {self.name} of {where} drops forwarded packets by default, those of {names} too: "
            f"`nft insert rule {place} iifname BRIDGE accept` and `nft insert rule {place} oifname BRIDGE "
            "accept` for each of them let them pass"
        )


def policy_sentence(program: str, ufw: bool, names: str) -> str:
    """Return what a FORWARD chain with the policy DROP does to the bridges `names`, and the remedy."""
    if ufw:
        remedy = "`ufw default allow routed` lets them pass"
    else:
        remedy = (
            f"`{program} -P FORWARD ACCEPT` lets them pass, or `{program} -I FORWARD -i BRIDGE -j ACCEPT` "
            f"and `{program} -I FORWARD -o BRIDGE -j ACCEPT` for each of them"
        )
    author = "ufw" if ufw else f"{program} (perhaps a former Docker)"
    return f"{author} drops forwarded packets by default (policy DROP), those of {names} too: {remedy}"


def obstacles(bridges: Bridges, own: Collection[str] = ()) -> list[str]:
    """Return a sentence with its remedy for each foreign chain that drops what our `bridges` forward.

    `own` are tables that our rules live in ("ip filter", or "iptables-legacy"): those are no obstacle.
    Never raises: where something cannot be looked at, nothing is said of it.
    """
    foreign = [chain for chain in base_chains(FORWARD) if f"{chain.family} {chain.table}" not in own]
    found = [chain.sentence(chain.blocked(bridges)) for chain in foreign]
    if LEGACY not in own:
        found += [_legacy(family, sorted(bridges.get(family, ()))) for family in (4, 6)]
    return [sentence for sentence in found if sentence]


def base_chains(hook: int) -> list[Chain]:
    """Return others' chains in a hook (INPUT, FORWARD) that drop by policy, or are firewalld's."""
    try:
        with closing(NfTables()) as kernel:
            dumped = kernel.dumped(GET_CHAIN, 0)
    except OSError:
        return []
    chains = [
        _chain(family, found) for family, found in dumped if family in _FAMILIES and _hooked(found) == hook
    ]
    foreign = [chain for chain in chains if chain.table != TABLE]
    return [_with_rules(chain) for chain in foreign if chain.drops or chain.table == "firewalld"]


def _chain(family: int, found: wire.Attributes) -> Chain:
    drops = int.from_bytes(found.get(_POLICY, b"\1")) == _DROP
    return Chain(_FAMILIES[family], _word(found[_TABLE]), _word(found[_NAME]), drops, "")


def _hooked(found: wire.Attributes) -> int:
    hook = wire.parse(found[_HOOK]) if _HOOK in found else {}
    return int.from_bytes(hook.get(_HOOK_NUMBER, b"")) if hook else -1


def _with_rules(chain: Chain) -> Chain:
    try:
        with closing(Libnftables()) as library:
            rules = library.run(f"list table {chain.family} {chain.table}")
    except (LinkspanError, NftRefused):
        return chain
    return Chain(chain.family, chain.table, chain.name, chain.drops, rules)


def _legacy(family: int, bridges: list[str]) -> str:
    """The same for iptables-legacy, which nf_tables knows nothing of; read only where it is in use."""
    program = Programs(family, LEGACY)
    if not bridges or not program.has_table("filter"):
        return ""
    try:
        forward = program.save()["filter"]
    except (LinkspanError, KeyError):
        return ""
    rules = forward.rules("FORWARD")
    blocked = [bridge for bridge in bridges if not _lets_pass(rules, bridge)]
    if forward.policies.get("FORWARD") != "DROP" or not blocked:
        return ""
    return policy_sentence(
        program.binary, any("ufw" in chain for chain in forward.chains), ", ".join(blocked)
    )


def _lets_pass(rules: Collection[str], bridge: str) -> bool:
    into, out = (
        [link.replace("+", "*") for rule in rules for link in re.findall(rf"(?:^| ){way} (\S+)", rule)]
        for way in ("-o", "-i")
    )
    return _named(bridge, into) and _named(bridge, out)


def _named(bridge: str, patterns: Collection[str]) -> bool:
    return any(fnmatch.fnmatchcase(bridge, pattern) for pattern in patterns)


def _word(name: bytes) -> str:
    return name.rstrip(b"\0").decode(errors="replace")
