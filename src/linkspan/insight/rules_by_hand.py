"""Firewall facts as the iptables or nft commands that a person would type, each fact with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from linkspan.blueprint.facts import (
    DirectAccessDrop,
    EgressOpen,
    Fact,
    Fence,
    Hairpin,
    LinkedContainers,
    LoopbackOnly,
    Masquerade,
    Publish,
    SkipOwnBridge,
)
from linkspan.firewall.render import iptables, nftables
from linkspan.firewall.render.rules import FILTER, INSERT, OWN_CHAINS, SETUP_ORDER, USER_CHAIN, Rule
from linkspan.firewall.render.table import definition, table
from linkspan.insight.by_hand import Command


def why(fact: Fact) -> str:
    """Return what a fact is for, in one line."""
    match fact:
        case Masquerade(subnet=subnet, source=source):
            by = f"the address {source}" if source else "the address of the link that they leave by"
            return f"packets of {subnet} that leave the host get {by}: the world knows no way to {subnet}"
        case SkipOwnBridge(bridge=bridge):
            return f"containers on {bridge} that ask a published port of the host meet the userland proxy"
        case Hairpin(bridge=bridge):
            return f"containers on {bridge} reach their peers' published ports by the host's address"
        case Fence(bridge=bridge, internal=True):
            return f"{bridge} is internal: nothing with a foreign address comes in or goes out"
        case Fence(bridge=bridge):
            return f"what enters {bridge} from outside is dropped but for published ports; what leaves passes"
        case Publish():
            last = f"-{fact.host_port + fact.count - 1}" if fact.count > 1 else ""
            return (
                f"port {fact.host_port}{last}/{fact.protocol} of the host leads to {fact.endpoint_address},"
                " which may be reached by it"
            )
        case DirectAccessDrop(endpoint_address=address, bridge=bridge):
            return f"nobody reaches {address} by a route of his own, past the published ports of {bridge}"
        case LoopbackOnly(host_address=address):
            return f"what is published on {address} is for this host alone, whatever a neighbour forges"
        case EgressOpen(bridge=bridge, address=address):
            return f"a name on the list of {bridge} stands for {address} just now"
        case LinkedContainers(parent=parent, child=child):
            return f"--link: {parent} may ask {child} although icc is off"


def ground(backend: str, families: Sequence[int], *, userland_proxy: bool, mark: str) -> Iterator[Command]:
    """Yield what makes the chains that everything else goes into; `backend` is "iptables" or "nftables"."""
    for family in families:
        if backend == "nftables":
            text = definition(family, userland_proxy=userland_proxy, accept_mark=mark)
            yield Command(
                f"nft -f - <<'END'\n{text}END",
                "sets that ports and addresses go into, and rules that ask them",
            )
        else:
            yield from _chains(family, userland_proxy, mark)


def _chains(family: int, userland_proxy: bool, mark: str) -> Iterator[Command]:
    tool = _tool(family)
    reason = "chains of our own, so that everybody else's rules stay apart"
    for name, chains in OWN_CHAINS.items():
        for chain in (*chains, *([USER_CHAIN] if name == FILTER else [])):
            yield Command(f"{tool} -t {name} -N {chain}", reason)
            reason = ""
    jumps = iptables.base_jumps(family, userland_proxy)
    top = [jump for jump in jumps if jump.chain == "FORWARD"]
    for number, jump in enumerate(top, 1):
        yield Command(
            f"{tool} -I FORWARD {number} {jump.arguments}",
            "your own rules come first of all" if number == 1 else "then ours",
        )
    for jump in jumps:
        if jump not in top:
            yield Command(_rule(jump), "packets to an address of the host may be for a published port")
    for rule in iptables.base_rules(family, mark):
        yield Command(_rule(rule))


def of_facts(backend: str, facts: Iterable[Fact], families: Sequence[int]) -> Iterator[Command]:
    """Yield the commands that make `facts`, what drops before what opens."""
    if backend == "nftables":
        yield from _elements(facts, families)
    elif backend == "iptables":
        yield from _rules(facts, families)


def _elements(facts: Iterable[Fact], families: Sequence[int]) -> Iterator[Command]:
    seen = set()
    for fact in facts:
        reason = why(fact)
        for element in nftables.render(fact):
            if element.of.family in families and element not in seen:
                seen.add(element)
                yield Command(f"nft 'add element {table(element.of.family)} {element.text()}'", reason)
                reason = ""


def _rules(facts: Iterable[Fact], families: Sequence[int]) -> Iterator[Command]:
    owners: dict[Rule, Fact] = {}
    for fact in facts:
        for rule in iptables.render([fact]):
            if rule.family in families:
                owners.setdefault(rule, fact)
    said: set[Fact] = set()
    for rule, fact in sorted(owners.items(), key=lambda pair: SETUP_ORDER.index(pair[0].table)):
        yield Command(_rule(rule), why(fact) if fact not in said else "")
        said.add(fact)


def _rule(rule: Rule) -> str:
    verb = "-I" if rule.position == INSERT else "-A"
    place = "" if rule.table == FILTER else f" -t {rule.table}"
    return f"{_tool(rule.family)}{place} {verb} {rule.chain} {rule.arguments}"


def _tool(family: int) -> str:
    return "iptables -w" if family == 4 else "ip6tables -w"
