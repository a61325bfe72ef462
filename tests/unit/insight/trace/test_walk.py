"""Walks through a small world made of text: routes, rules and sockets as the kernel would tell them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.insight.trace import iptables_rules
from linkspan.insight.trace.answer import trace
from linkspan.insight.trace.report import lines
from linkspan.insight.trace.world import NoWay, Socket, Way

WEB, DB = "/run/1", "/run/2"
NAT = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.0.0.5/32 -p tcp --dport 8080 {target}\nCOMMIT\n"
OWN = {
    "": ("10.0.0.5", "172.17.0.1", "172.18.0.1"),
    WEB: ("172.17.0.2", "172.18.0.2"),
    DB: ("172.18.0.3",),
}


class World:
    def __init__(self, rules=None, sockets=None, forwarding="1"):
        self.rules = rules or {}
        self.heard = sockets if sockets is not None else {WEB: [Socket("tcp", None, 80, "httpd")]}
        self.forwarding = forwarding

    def tables(self, place):
        return iptables_rules.tables(self.rules.get(place, ""), "iptables")

    def kind(self, place):
        own = {
            "": ("10.0.0.5", "172.17.0.1", "172.18.0.1"),
            WEB: ("172.17.0.2", "172.18.0.2"),
            DB: ("172.18.0.3",),
        }
        return lambda address: "local" if str(address) in own[place] or address.is_loopback else "unicast"

    def way(self, place, packet):
        if self.kind(place)(packet.destination) == "local":
            return Way("lo", True, None, packet.destination)
        subnet = str(packet.destination).rpartition(".")[0]
        if place == "":
            links = {"172.17.0": ("docker0", "172.17.0.1"), "172.18.0": ("br-cccccccccccc", "172.18.0.1")}
            link, source = links.get(subnet, ("eth0", "10.0.0.5"))
            return Way(link, source=ip_address(source))
        if place == DB and subnet != "172.18.0":
            raise NoWay("Network is unreachable")
        if subnet == "172.18.0":
            return Way(
                "eth1" if place == WEB else "eth0", source=ip_address(f"172.18.0.{2 if place == WEB else 3}")
            )
        via = None if subnet == "172.17.0" else ip_address("172.17.0.1")
        return Way("eth0", via=via, source=ip_address("172.17.0.2"))

    def sockets(self, place):
        return self.heard.get(place, [])

    def sysctl(self, place, key):
        return self.forwarding if "forward" in key else "0"


@pytest.fixture
def ask(seen):
    return lambda begin, aim, **world: trace(seen, World(**world), begin, aim, frozenset())


def test_between_neighbours(ask):
    found = ask("db", "web:80")
    assert (found["Verdict"], found["Words"]) == ("arrives", "taken by httpd in web")
    assert any("bridged by br-cccccccccccc" in step["Words"] for step in found["Steps"])
    assert ask("db", "web:81")["Words"] == "nobody listens on tcp port 81 of 172.18.0.2 in web"
    assert ask("db", "web")["Words"] == "web answers the ping"


def test_through_a_translation(ask):
    target = "-j DNAT --to-destination 172.17.0.2:80"
    found = ask("lan", "host:8080", rules={"": NAT.format(target=target)})
    assert found["Verdict"] == "arrives"
    assert found["Steps"][1]["Rules"][0]["Does"] == "destination becomes 172.17.0.2:80"


def test_a_hairpin_arrives_from_the_bridge(ask):
    """From its own address the container would not take it: the source must have become the bridge's."""
    target = "-j DNAT --to-destination 172.17.0.2:80"
    back = (
        "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 172.17.0.0/16 -o docker0 -j MASQUERADE\nCOMMIT\n"
    )
    rules = {"": NAT.format(target=target).replace("COMMIT\n", "") + back.removeprefix("*nat\n")}
    found = ask("web", "host:8080", rules=rules)
    assert found["Verdict"] == "arrives"
    assert found["Steps"][-1]["Packet"].startswith("tcp 172.17.0.1:40000 → 172.17.0.2:80")


def test_through_the_proxy(ask):
    sockets = {"": [Socket("tcp", None, 8080, "linkspan-proxy")], WEB: [Socket("tcp", None, 80, "httpd")]}
    found = ask("host", "10.0.0.5:8080", sockets=sockets)
    assert found["Words"] == "taken by httpd in web"
    assert any("linkspan-proxy takes it" in step["Words"] for step in found["Steps"])


def test_no_way_no_neighbour_no_forwarding(ask):
    assert "db has no route to 198.51.100.1: Network is unreachable" in ask("db", "internet")["Words"]
    assert "nobody on docker0 has 172.17.0.9" in ask("web", "172.17.0.9:80")["Words"]
    assert "no container on docker0 has 172.17.0.9" in ask("host", "172.17.0.9:80")["Words"]
    found = ask("lan", "web:80", forwarding="0")
    assert (found["Verdict"], found["Remedy"]) == ("stopped", "sysctl -w net.ipv4.ip_forward=1")
    assert ask("web", "internet")["Words"] == "leaves the host by eth0, to its neighbour 198.51.100.1"


def test_martians(ask):
    found = ask("lan", "127.0.0.1:8080")
    assert found["Verdict"] == "lost"
    assert "a martian" in found["Words"]


def test_a_rule_of_somebody_else(ask):
    rules = "*filter\n:FORWARD DROP [0:0]\n[3:9] -A FORWARD -p tcp -m tcp --dport 80 -j REJECT\nCOMMIT\n"
    found = ask("lan", "web:80", rules={"": rules})
    assert (found["Verdict"], found["By"]) == ("stopped", "somebody else")
    assert found["Remedy"] == "iptables -D FORWARD -p tcp -m tcp --dport 80 -j REJECT"
    text = "\n".join(lines(found))
    assert "✗ rejected in host, forward" in text
    assert "[3 packets]" in text
    found = ask("lan", "web", rules={"": rules})
    assert found["Remedy"].startswith("iptables -t filter -P FORWARD ACCEPT")
