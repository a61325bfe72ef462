"""What our chains lack, and what stands in them and is nobody's."""

from __future__ import annotations

from linkspan.firewall.render.compare import differences
from linkspan.firewall.render.restore import SavedTable
from linkspan.firewall.render.rules import Rule

DNAT = "! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80"
WANTED = [Rule(4, "nat", "DOCKER", DNAT), Rule(4, "nat", "POSTROUTING", "-s 172.17.0.0/16 -j MASQUERADE")]


def nat(**chains: list[str]) -> dict[str, SavedTable]:
    return {"nat": SavedTable(chains)}


def test_what_is_as_wanted_has_no_differences():
    saved = nat(DOCKER=[DNAT], POSTROUTING=["-j SOMEBODY", "-s 172.17.0.0/16 -j MASQUERADE"])
    assert list(differences(4, saved, WANTED)) == []


def test_a_missing_rule_is_told_as_the_command_that_makes_it():
    saved = nat(DOCKER=[DNAT], POSTROUTING=[])
    assert list(differences(4, saved, WANTED)) == [
        "rule `iptables -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE` is missing"
    ]


def test_a_rule_of_nobody_counts_in_our_own_chains_only():
    saved = nat(DOCKER=[DNAT, DNAT], POSTROUTING=["-s 172.17.0.0/16 -j MASQUERADE", "-j SOMEBODY"])
    assert list(differences(4, saved, WANTED)) == [
        f"rule `iptables -t nat -A DOCKER {DNAT}` belongs to nothing"
    ]


def test_an_empty_filter_lacks_everything():
    assert len(list(differences(6, {}, WANTED))) == 2
