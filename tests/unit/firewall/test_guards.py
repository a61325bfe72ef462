"""Guards: the ports that a firewall's rules let through, read out of nft's and iptables' words."""

from __future__ import annotations

import pytest

from linkspan.firewall.guards import Guard, of_chain, ports_in_iptables
from linkspan.firewall.obstacles import Chain

RULES = """table inet firewalld {
    tcp dport 22 accept
    tcp dport { 80, 443, 8000-8010 } counter packets 0 bytes 0 accept
    udp dport 53 drop
    ip daddr 172.17.0.2 oifname "docker0" tcp dport 9090 accept
    ct state established accept
}"""


@pytest.mark.parametrize(
    ("protocol", "port", "admitted"),
    [
        ("tcp", 22, True),
        ("udp", 22, False),
        ("tcp", 443, True),
        ("tcp", 8005, True),
        ("tcp", 8011, False),
        ("udp", 53, False),
        ("tcp", 9090, False),
    ],
)
def test_rules_of_nft(protocol, port, admitted):
    guard = of_chain(Chain("inet", "firewalld", "filter_INPUT", False, RULES))
    assert (guard.name, guard.families) == ("firewalld", (4, 6))
    assert guard.admits(protocol, port) == admitted


@pytest.mark.parametrize(
    ("chain", "name"),
    [
        (Chain("ip", "filter", "INPUT", True, "chain ufw-user-input {"), "ufw"),
        (Chain("ip6", "filter", "INPUT", True, ""), "ip6tables"),
        (Chain("inet", "mine", "input", True, ""), "the nftables table inet mine"),
    ],
)
def test_names(chain, name):
    assert of_chain(chain).name == name


def test_rules_of_iptables():
    lines = [
        "-p tcp -m tcp --dport 22 -j ACCEPT",
        "-s 10.0.0.0/8 -p udp -m multiport --dports 53,5000:5010 -j ACCEPT",
        "-o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
        "-p tcp -m tcp --dport 23 -j DROP",
    ]
    guard = Guard("iptables", (4,), tuple(ports_in_iptables(lines)))
    assert [guard.admits("tcp", port) for port in (22, 23, 80)] == [True, False, False]
    assert [guard.admits("udp", port) for port in (53, 5005, 5011)] == [True, True, False]
