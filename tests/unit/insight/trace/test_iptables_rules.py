"""What iptables-save prints, asked with packets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from linkspan.insight.trace.iptables_rules import tables
from linkspan.insight.trace.packet import Packet
from linkspan.insight.trace.ruleset import Undecided

SYN = Packet("tcp", ip_address("10.0.0.9"), ip_address("172.17.0.2"), 40000, 80, "eth0", "docker0")


def kind(address):
    return "local" if address == ip_address("10.0.0.5") else "unicast"


def ask(arguments, packet=SYN):
    (table,) = tables(f"*filter\n:FORWARD ACCEPT [0:0]\n[7:420] -A FORWARD {arguments}\nCOMMIT\n", "iptables")
    (rule,) = table.chains["FORWARD"].rules
    return rule.judge(packet, kind)


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ("-s 10.0.0.0/8", True),
        ("-s 10.0.0.9/32", True),
        ("! -s 10.0.0.0/8", False),
        ("-d 172.17.0.3/32", False),
        ("-i eth0", True),
        ("-i eth+", True),
        ("! -i docker0 -o docker0", True),
        ("-o eth1", False),
        ("-p tcp -m tcp --dport 80", True),
        ("-p tcp -m tcp --dport 80:90", True),
        ("-p tcp -m tcp ! --dport 80", False),
        ("-p tcp -m multiport --dports 22,80,443", True),
        ("-p udp -m udp --dport 80", False),
        ("-p icmp", False),
        ("-m conntrack --ctstate NEW", True),
        ("-m conntrack --ctstate RELATED,ESTABLISHED", False),
        ("-m conntrack --ctstate DNAT", False),
        ("-m addrtype --dst-type LOCAL", False),
        ("-m addrtype ! --dst-type LOCAL", True),
        ("-m mark --mark 0x1/0x1", False),
        ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", True),
        ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK ACK", False),
        ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE", False),
        ('-m comment --comment "a word, -j DROP"', True),
        ("-m limit --limit 5/sec", True),
    ],
)
def test_matches(match, matches):
    assert (ask(f"{match} -j DROP") is not None) is matches


def test_translated_packets_are_in_the_state_dnat():
    assert ask("-m conntrack --ctstate DNAT -j ACCEPT", replace(SYN, translated=True)).verdict == "accept"


@pytest.mark.parametrize(
    ("target", "verdict", "words"),
    [
        ("ACCEPT", "accept", ""),
        ("REJECT --reject-with icmp-port-unreachable", "reject", ""),
        ("RETURN", "return", ""),
        ("LOG --log-prefix x", "go on", ""),
        ("OTHER", "jump", ""),
        ("MARK --set-xmark 0x10/0xffffffff", "go on", "mark becomes 0x10"),
        ("DNAT --to-destination 172.17.0.3:8080", "accept", "destination becomes 172.17.0.3:8080"),
        ("DNAT --to-destination 172.17.0.3", "accept", "destination becomes 172.17.0.3:80"),
        ("DNAT --to-destination 172.17.0.3:9000-9009/75", "accept", "destination becomes 172.17.0.3:9005"),
        ("REDIRECT --to-ports 3128", "accept", "redirected to port 3128 of this host"),
        ("SNAT --to-source 10.0.0.7", "accept", "source becomes 10.0.0.7"),
        ("MASQUERADE", "accept", "source becomes the address of docker0"),
    ],
)
def test_targets(target, verdict, words):
    effect = ask(f"-p tcp -j {target}")
    assert (effect.verdict, effect.words) == (verdict, words)


def test_ipv6_destinations():
    six = Packet("tcp", ip_address("fd00::9"), ip_address("fd00::5"), 1, 8080)
    assert ask("-j DNAT --to-destination [fd00:1::2]:80", six).words == "destination becomes [fd00:1::2]:80"


def test_what_cannot_be_known_is_said_unless_another_test_decides():
    with pytest.raises(Undecided, match="--match-set blocked src"):
        ask("-m set --match-set blocked src -j DROP")
    assert ask("-m set --match-set blocked src -p udp -j DROP") is None


def test_counters_policies_and_deletion():
    first = "*nat\n:PREROUTING DROP [1:2]\n[7:420] -A PREROUTING -p tcp -j RETURN\nCOMMIT\n"
    nat, raw = tables(first + "*raw\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n", "ip6tables")
    chain = nat.chains["PREROUTING"]
    assert (chain.hook, chain.priority, chain.policy, chain.nat) == ("prerouting", -100, "drop", True)
    assert chain.rules[0].counted == 7
    assert chain.rules[0].deletion == "ip6tables -t nat -D PREROUTING -p tcp -j RETURN"
    assert (raw.family, raw.chains["OUTPUT"].priority) == ("ip6", -300)
