"""Who guards this host's own ports: firewalls that drop what comes in, and the ports that they let through.

A published port is translated before their INPUT rules are asked, so they are not: this says whom it passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from linkspan.firewall.obstacles import INPUT, LEGACY, Chain, base_chains
from linkspan.firewall.programs import Programs
from linkspan.model.errors import LinkspanError

_NFT = re.compile(r"\b(tcp|udp|sctp) dport (\{[^}]*\}|\S+)")
_IPTABLES = re.compile(r"-p (tcp|udp|sctp)\b.* --dports? (\S+)")


@dataclass(frozen=True, slots=True)
class Guard:
    """A firewall that drops what comes in for `families`; `admitted` are the ports that it has rules for."""

    name: str
    families: tuple[int, ...]
    admitted: tuple[tuple[str, range], ...] = ()

    def admits(self, protocol: str, port: int) -> bool:
        """Tell whether some rule lets the port through, for some client at least."""
        return any(protocol == each and port in ports for each, ports in self.admitted)


def guards() -> list[Guard]:
    """Return the firewalls of the caller's namespace that drop what comes in by default.

    Never raises: where something cannot be looked at, nothing is said of it.
    """
    found = [of_chain(chain) for chain in base_chains(INPUT)]
    return [*found, *(guard for family in (4, 6) for guard in _legacy(family))]


def of_chain(chain: Chain) -> Guard:
    """Return the guard that a base chain is, from the text of its table."""
    families = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}[chain.family]
    lines = [line for line in chain.rules.splitlines() if " accept" in line and "oifname" not in line]
    return Guard(_name(chain), families, tuple(_ports(_NFT, lines)))


def _name(chain: Chain) -> str:
    if "ufw-" in chain.rules:
        return "ufw"
    if chain.table == "firewalld":
        return "firewalld"
    if chain.name == "INPUT" and chain.family in ("ip", "ip6"):
        return "iptables" if chain.family == "ip" else "ip6tables"
    return f"the nftables table {chain.family} {chain.table}"


def _legacy(family: int) -> Iterator[Guard]:
    program = Programs(family, LEGACY)
    if not program.has_table("filter"):
        return
    try:
        filters = program.save()["filter"]
    except (LinkspanError, KeyError):
        return
    if filters.policies.get("INPUT") != "DROP":
        return
    lines = [text for texts in filters.chains.values() for text in texts]
    ufw = any(chain.startswith("ufw") for chain in filters.chains)
    yield Guard("ufw" if ufw else program.binary, (family,), tuple(ports_in_iptables(lines)))


def ports_in_iptables(rules: list[str]) -> Iterator[tuple[str, range]]:
    """Yield the ports that rules, as iptables-save prints them, accept; those to a link are not for us."""
    accepted = [text for text in rules if text.endswith("ACCEPT") and " -o " not in f" {text}"]
    yield from _ports(_IPTABLES, accepted)


def _ports(pattern: re.Pattern[str], lines: list[str]) -> Iterator[tuple[str, range]]:
    for line in lines:
        for protocol, text in pattern.findall(line):
            for each in text.strip("{} ").split(","):
                first, _, last = each.strip().replace(":", "-").partition("-")
                if first.isdigit() and (last or first).isdigit():
                    yield protocol, range(int(first), int(last or first) + 1)
