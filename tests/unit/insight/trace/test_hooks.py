"""Base chains in their order, jumps, policies, and translations that happen once."""

from __future__ import annotations

from ipaddress import ip_address

from linkspan.insight.trace.hooks import passed
from linkspan.insight.trace.iptables_rules import tables
from linkspan.insight.trace.packet import Packet

SYN = Packet("tcp", ip_address("10.0.0.9"), ip_address("10.0.0.5"), 40000, 80, "eth0")


def through(text, hook="prerouting", packet=SYN):
    return passed(tables(text, "iptables"), hook, packet, lambda address: "local")


def test_priorities_decide_who_is_asked_first():
    translation = "-A PREROUTING -p tcp -j DNAT --to-destination 172.17.0.2:80"
    nat = f"*nat\n:PREROUTING ACCEPT [0:0]\n{translation}\nCOMMIT\n"
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.0.0.5/32 -j DROP\nCOMMIT\n"
    way = through(nat + raw)
    assert [met.table.name for met in way.met] == ["raw"]
    assert way.stopped is not None and way.stopped.rule is not None
    assert way.stopped.rule.text == "-A PREROUTING -d 10.0.0.5/32 -j DROP"


def test_jumps_that_lead_to_something_are_told_and_others_not():
    text = """*filter
:FORWARD ACCEPT [0:0]
:EMPTY - [0:0]
:FULL - [0:0]
-A FORWARD -j EMPTY
-A FORWARD -j FULL
-A FORWARD -j DROP
-A EMPTY -p udp -j DROP
-A FULL -p tcp -j ACCEPT
COMMIT
"""
    way = through(text, "forward")
    assert [met.rule.text for met in way.met if met.rule] == [
        "-A FORWARD -j FULL",
        "-A FULL -p tcp -j ACCEPT",
    ]
    assert way.stopped is None


def test_return_and_goto():
    text = """*filter
:FORWARD DROP [0:0]
:A - [0:0]
-A FORWARD -g A
-A FORWARD -j ACCEPT
-A A -j RETURN
COMMIT
"""
    way = through(text, "forward")
    assert way.stopped is not None and way.stopped.rule is None
    assert way.stopped.chain == "FORWARD"


def test_the_first_translation_settles_it():
    text = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination 172.17.0.2\nCOMMIT\n"
    way = through(text + text.replace("0.2", "0.3"))
    assert str(way.packet.destination) == "172.17.0.2"
    assert len(way.met) == 1


def test_doubts_are_told_and_the_way_goes_on():
    text = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set bad src -j DROP\nCOMMIT\n"
    way = through(text, "input")
    assert way.stopped is None
    assert way.met[0].doubt == "--match-set bad src"
