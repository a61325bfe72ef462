"""What other filters drop of our traffic is found, told with its remedy, and left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from linkspan.firewall.obstacles import obstacles

BRIDGES = {4: {"docker0", "br-a"}, 6: {"br-a"}}

FIREWALLD = """add table inet firewalld
add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy accept; }
add chain inet firewalld filter_FORWARD_ZONES
add rule inet firewalld filter_FORWARD jump filter_FORWARD_ZONES
add rule inet firewalld filter_FORWARD reject with icmpx type admin-prohibited
"""


@pytest.fixture
def do(namespace: Any, tmp_path: Path) -> Any:
    def run(text: str) -> None:
        path = tmp_path / "input"
        path.write_text(text)
        namespace.run(f"nft -f {path}")

    return run


def told(namespace: Any, *own: str) -> list[str]:
    return namespace.call(obstacles, BRIDGES, own)


def test_nothing_on_a_bare_host(namespace: Any) -> None:
    assert told(namespace) == []
    assert namespace.run("nft list ruleset") == ""


@pytest.mark.parametrize("binary", ["iptables-nft", "iptables-legacy"])
def test_a_policy_of_iptables(namespace: Any, binary: str) -> None:
    namespace.run(f"{binary} -P FORWARD DROP")
    (sentence,) = told(namespace)
    assert "(perhaps a former Docker) drops forwarded packets by default (policy DROP)" in sentence
    assert "br-a, docker0" in sentence and "-P FORWARD ACCEPT`" in sentence
    namespace.run(*(f"{binary} -A FORWARD {way} br-+ -j ACCEPT" for way in ("-i", "-o")))
    (sentence,) = told(namespace)
    assert "those of docker0 too" in sentence
    namespace.run(f"{binary} -A FORWARD -o docker0 -j ACCEPT")
    assert len(told(namespace)) == 1
    namespace.run(f"{binary} -A FORWARD -i docker0 -j ACCEPT")
    assert told(namespace) == []


def test_the_table_that_our_own_rules_live_in(namespace: Any) -> None:
    namespace.run("iptables-nft -P FORWARD DROP", "iptables-legacy -P FORWARD DROP")
    assert len(told(namespace)) == 2
    assert len(told(namespace, "ip filter", "ip6 filter")) == 1
    assert told(namespace, "ip filter", "iptables-legacy") == []


def test_ip6tables_concerns_only_networks_with_ipv6(namespace: Any) -> None:
    namespace.run("ip6tables-nft -P FORWARD DROP")
    (sentence,) = told(namespace)
    assert sentence.startswith("ip6tables") and "docker0" not in sentence


def test_ufw(namespace: Any) -> None:
    namespace.run("iptables-nft -P FORWARD DROP", "iptables-nft -N ufw-before-forward")
    namespace.run("iptables-nft -A FORWARD -j ufw-before-forward")
    assert "`ufw default allow routed`" in told(namespace)[0]


def test_firewalld(namespace: Any, do: Any) -> None:
    do(FIREWALLD)
    (sentence,) = told(namespace)
    assert sentence.startswith("firewalld ") and "--add-interface=br-a --add-interface=docker0" in sentence
    for bridge in ("br-a", "docker0"):
        for way in ("iifname", "oifname"):
            do(f"add rule inet firewalld filter_FORWARD_ZONES {way} {bridge} accept\n")
    assert told(namespace) == []


def test_a_chain_of_nftables_that_drops_by_default(namespace: Any, do: Any) -> None:
    for table, hook in (("filter", "forward"), ("other", "input")):
        do(f"add table inet {table}\n")
        do(f"add chain inet {table} gate {{ type filter hook {hook} priority 0; policy drop; }}\n")
    before = namespace.run("nft list ruleset")
    (sentence,) = told(namespace)
    assert "the chain gate of the nftables table inet filter drops" in sentence
    assert "`nft insert rule inet filter gate iifname BRIDGE accept`" in sentence
    assert namespace.run("nft list ruleset") == before
