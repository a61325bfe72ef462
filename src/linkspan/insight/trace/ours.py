"""The rules of Linkspan in chains that everybody writes to, as iptables-save prints them."""

from __future__ import annotations

from linkspan.firewall.render import iptables
from linkspan.network.controller import Controller


def our_rules(controller: Controller) -> frozenset[str]:
    """Return their texts, worked out from the blueprint of every network and container."""
    wanted = controller.wanted
    facts = [fact for network in controller.networks() for fact in wanted.network_facts(network)]
    facts += [fact for sandbox in controller.sandboxes() for fact in wanted.sandbox_facts(sandbox)]
    rules = [rule for rule in iptables.render(facts) if rule.shared]
    for family in (4, 6):
        for userland_proxy in (True, False):
            rules += iptables.base_jumps(family, userland_proxy)
    return frozenset(f"-A {rule.chain} {rule.arguments}" for rule in rules)
