"""Whose rule it is, and what would change it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.insight.trace.blame import owner, remedy
from linkspan.insight.trace.hooks import Met
from linkspan.insight.trace.packet import Packet
from linkspan.insight.trace.ruleset import DROP, Rule, Table

SYN = Packet("tcp", ip_address("10.0.0.9"), ip_address("172.17.0.2"), 40000, 80, "eth0", "docker0")
GUARD = "-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP"
OURS = frozenset({GUARD})
YOURS = "you, in the chain for your own rules"


def met(chain, text="", tool="iptables", table="filter", hook="forward"):
    rule = Rule(text, lambda packet, kind: None, 0, f"{tool} -D {text}") if text else None
    return Met(Table(tool, table, "ip"), chain, hook, rule, DROP)


@pytest.mark.parametrize(
    ("what", "place", "who", "words"),
    [
        (met("DOCKER", "-A DOCKER -j DROP"), "", "Linkspan", "networks are cut off from each other"),
        (met("DOCKER-INTERNAL", "-A DOCKER-INTERNAL -j DROP"), "", "Linkspan", "the network is internal"),
        (
            met("PREROUTING", GUARD, table="raw", hook="prerouting"),
            "",
            "Linkspan",
            "a published port",
        ),
        (met("into", "x", tool="nft", table="linkspan"), "", "Linkspan", "networks are cut off"),
        (
            met("DOCKER-USER", "-A DOCKER-USER -j DROP"),
            "",
            "you, in the chain for your own rules",
            "iptables -D",
        ),
        (met("ufw-user-input", "-A ufw-user-input -j DROP"), "", "ufw", "ufw allow 80/tcp"),
        (
            met("filter_INPUT", "x", tool="nft", table="firewalld"),
            "",
            "firewalld",
            "firewall-cmd --add-port=80/tcp",
        ),
        (met("FORWARD", "-A FORWARD -j DROP"), "", "somebody else", "iptables -D -A FORWARD"),
        (met("FORWARD"), "", "somebody else", "iptables -t filter -P FORWARD ACCEPT"),
        (met("forward", tool="nft", table="mine"), "", "somebody else", "that accepts it (policy drop)"),
        (
            met("INPUT", "-A INPUT -j DROP"),
            "/run/1",
            "the container's own firewall",
            "in the container: iptables -D",
        ),
    ],
)
def test_owners_and_remedies(what, place, who, words):
    assert owner(what, place, OURS) == who
    assert words in remedy(what, place, OURS, SYN)
