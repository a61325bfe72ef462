"""Facts as iptables and nft commands, each with its reason."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from linkspan.blueprint.facts import DirectAccessDrop, Fence, Masquerade, Publish
from linkspan.insight.rules_by_hand import ground, of_facts, why

SUBNET = ip_network("172.17.0.0/16")
WEB = ip_address("172.17.0.2")
PUBLISH = Publish("tcp", ip_address("0.0.0.0"), 8080, WEB, 80, "docker0", 2)


def test_what_drops_comes_before_what_opens_and_each_fact_says_why_once():
    found = list(of_facts("iptables", [PUBLISH, DirectAccessDrop(WEB, "docker0")], (4,)))
    assert found[0].text == "iptables -w -t raw -A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP"
    assert found[0].why.startswith("nobody reaches 172.17.0.2 by a route of his own")
    assert [bool(each.why) for each in found] == [True, True, False, False]
    assert found[1].why.startswith("port 8080-8081/tcp of the host leads to 172.17.0.2")


def test_elements_for_nftables():
    (first, *_) = of_facts("nftables", [Masquerade(SUBNET, "docker0")], (4,))
    assert first.text.startswith("nft 'add element ip linkspan ")
    assert "172.17.0.0" in first.text
    assert list(of_facts("none", [PUBLISH], (4, 6))) == []


def test_a_family_without_rules_is_left_out():
    six = Masquerade(ip_network("fd00::/64"), "docker0")
    assert list(of_facts("iptables", [six], (4,))) == []
    assert list(of_facts("nftables", [six], (4,))) == []


def test_the_ground():
    texts = [each.text for each in ground("iptables", (4,), userland_proxy=True, mark="")]
    assert "iptables -w -t filter -N DOCKER-USER" in texts
    assert texts.index("iptables -w -I FORWARD 1 -j DOCKER-USER") < texts.index(
        "iptables -w -I FORWARD 2 -j DOCKER-FORWARD"
    )
    (table,) = ground("nftables", (6,), userland_proxy=True, mark="")
    assert table.text.startswith("nft -f - <<'END'\nadd table ip6 linkspan")


def test_reasons():
    assert "internal" in why(Fence("br0", SUBNET, internal=True))
    assert "the address 10.0.0.5" in why(Masquerade(SUBNET, "docker0", ip_address("10.0.0.5")))


def test_a_rule_that_two_facts_share_is_made_once():
    other = Publish("tcp", ip_address("127.0.0.1"), 8081, WEB, 80, "docker0", 2)
    for backend in ("iptables", "nftables"):
        texts = [each.text for each in of_facts(backend, [PUBLISH, other], (4,))]
        assert len(texts) == len(set(texts))
