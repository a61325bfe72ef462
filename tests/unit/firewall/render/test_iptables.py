"""The rule text of every fact and option."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from linkspan.blueprint.facts import (
    DirectAccessDrop,
    EgressOpen,
    Fact,
    Fence,
    Hairpin,
    LinkedContainers,
    LoopbackOnly,
    Masquerade,
    Publish,
    SkipOwnBridge,
)
from linkspan.firewall.render.iptables import base_jumps, base_rules, render
from linkspan.firewall.render.rules import APPEND, INSERT

ANY4, ANY6 = ip_address("0.0.0.0"), ip_address("::")
WEB4, WEB6 = ip_address("172.17.0.4"), ip_address("fd00::4")
NET4, NET6 = ip_network("172.17.0.0/16"), ip_network("fd00::/64")
HAIRPIN = "-s 172.17.0.4/32 -d 172.17.0.4/32 -p tcp -m tcp --dport 80 -j MASQUERADE"
OPENED = "-d 172.17.0.4/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT"


def text(*facts: Fact) -> list[str]:
    """One line per rule: family, table, verb, chain, arguments."""
    verbs = {APPEND: "-A", INSERT: "-I"}
    return [
        f"{rule.family} {rule.table} {verbs[rule.position]} {rule.chain} {rule.arguments}"
        for rule in render(facts)
    ]


def test_masquerade() -> None:
    assert text(Masquerade(NET4, "docker0")) == [
        "4 nat -I POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"
    ]


def test_masquerade_from_the_host_without_a_userland_proxy() -> None:
    assert text(Masquerade(NET4, "docker0", from_host=True)) == [
        "4 nat -I POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "4 nat -I POSTROUTING -o docker0 -m addrtype --src-type LOCAL -j MASQUERADE",
    ]


def test_masquerade_with_a_given_source_is_snat() -> None:
    assert text(Masquerade(NET6, "br-a", source=ip_address("fd34::1"), from_host=True)) == [
        "6 nat -I POSTROUTING -s fd00::/64 ! -o br-a -j SNAT --to-source fd34::1",
        "6 nat -I POSTROUTING -o br-a -m addrtype --src-type LOCAL -j SNAT --to-source fd34::1",
    ]


def test_skip_own_bridge() -> None:
    assert text(SkipOwnBridge("docker0"), SkipOwnBridge("docker0", family=6)) == [
        "4 nat -I DOCKER -i docker0 -j RETURN",
        "6 nat -I DOCKER -i docker0 -j RETURN",
    ]


def test_hairpin() -> None:
    assert text(Hairpin(NET4, "docker0")) == [
        "4 filter -A DOCKER -i docker0 -o docker0 -m conntrack --ctstate DNAT -j ACCEPT",
        "4 nat -I POSTROUTING -s 172.17.0.0/16 -o docker0 -m conntrack --ctstate DNAT -j MASQUERADE",
    ]


def test_fence() -> None:
    assert text(Fence("docker0", NET4)) == [
        "4 filter -A DOCKER ! -i docker0 -o docker0 -j DROP",
        "4 filter -A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "4 filter -A DOCKER-BRIDGE -o docker0 -j DOCKER",
        "4 filter -A DOCKER-FORWARD -i docker0 -j ACCEPT",
    ]


def test_fence_without_icc_drops_before_it_lets_out() -> None:
    assert text(Fence("docker0", NET4, icc=False))[-2:] == [
        "4 filter -A DOCKER-FORWARD -i docker0 -o docker0 -j DROP",
        "4 filter -A DOCKER-FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    ]


def test_fence_of_nat_unprotected_lets_everything_in() -> None:
    assert "4 filter -A DOCKER ! -i docker0 -o docker0 -j ACCEPT" in text(
        Fence("docker0", NET4, gateway_mode="nat-unprotected")
    )


@pytest.mark.parametrize(("subnet", "protocol"), [(NET4, "icmp"), (NET6, "ipv6-icmp")])
def test_fence_of_routed_lets_icmp_in_before_the_drop(subnet: object, protocol: str) -> None:
    lines = text(Fence("br-a", subnet, gateway_mode="routed"))  # type: ignore[arg-type]
    assert [line.split(" ", 3)[3] for line in lines[:2]] == [
        f"DOCKER -o br-a -p {protocol} -j ACCEPT",
        "DOCKER ! -i br-a -o br-a -j DROP",
    ]


def test_fence_of_an_internal_network() -> None:
    assert text(Fence("br-a", NET4, internal=True)) == [
        "4 filter -I DOCKER-INTERNAL ! -d 172.17.0.0/16 -i br-a -j DROP",
        "4 filter -I DOCKER-INTERNAL ! -s 172.17.0.0/16 -o br-a -j DROP",
        "4 filter -A DOCKER-FORWARD -i br-a -o br-a -j ACCEPT",
    ]


def test_fence_of_an_internal_network_lets_link_local_ipv6_stay_on_the_bridge() -> None:
    assert text(Fence("br-a", NET6, internal=True, icc=False, gateway_mode="isolated")) == [
        "6 filter -I DOCKER-INTERNAL ! -d fd00::/64 -i br-a ! -o br-a -j DROP",
        "6 filter -I DOCKER-INTERNAL ! -s fd00::/64 ! -i br-a -o br-a -j DROP",
        "6 filter -A DOCKER-FORWARD -i br-a -o br-a -j DROP",
    ]


def test_fence_with_a_list_of_destinations_lets_nothing_else_out() -> None:
    allowed = (ip_network("10.0.0.0/8"), ip_network("192.0.2.7"))
    lines = [line for line in text(Fence("br-a", NET4, outward=allowed)) if "DOCKER-FORWARD" in line]
    assert lines == [
        "4 filter -A DOCKER-FORWARD -i br-a -o br-a -j ACCEPT",
        "4 filter -A DOCKER-FORWARD -i br-a -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "4 filter -A DOCKER-FORWARD -d 10.0.0.0/8 -i br-a -j ACCEPT",
        "4 filter -A DOCKER-FORWARD -d 192.0.2.7/32 -i br-a -j ACCEPT",
        "4 filter -A DOCKER-FORWARD -i br-a -j LINKSPAN-EGRESS",
        "4 filter -A DOCKER-FORWARD -i br-a -j DROP",
    ]
    sealed = text(Fence("br-a", NET6, icc=False, outward=()))
    assert "6 filter -A DOCKER-FORWARD -i br-a -o br-a -j DROP" in sealed
    assert "6 filter -A DOCKER-FORWARD -i br-a -j ACCEPT" not in sealed
    everything = text(Fence("br-a", NET4, outward=(ip_network("0.0.0.0/0"),)))
    assert "4 filter -A DOCKER-FORWARD -i br-a -j ACCEPT" in everything


def test_a_name_opens_one_address() -> None:
    assert text(EgressOpen("br-a", ip_address("192.0.2.7"))) == [
        "4 filter -A LINKSPAN-EGRESS -d 192.0.2.7/32 -i br-a -j ACCEPT"
    ]


def test_publish() -> None:
    assert text(Publish("tcp", ANY4, 8080, WEB4, 80, "docker0")) == [
        f"4 filter -I DOCKER {OPENED}",
        f"4 nat -A POSTROUTING {HAIRPIN}",
        "4 nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.4:80",
    ]


def test_publish_on_one_host_address() -> None:
    lines = text(Publish("udp", ip_address("10.0.0.5"), 53, WEB4, 53, "docker0"))
    assert lines[-1] == (
        "4 nat -A DOCKER -d 10.0.0.5/32 ! -i docker0 -p udp -m udp --dport 53"
        " -j DNAT --to-destination 172.17.0.4:53"
    )


def test_publish_without_a_userland_proxy_translates_the_own_bridge_too() -> None:
    lines = text(Publish("tcp", ANY4, 8080, WEB4, 80, "docker0", own_bridge=True))
    assert lines[-1] == ("4 nat -A DOCKER -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.4:80")


def test_publish_in_routed_mode_only_opens() -> None:
    assert text(Publish("tcp", ANY4, 80, WEB4, 80, "docker0", nat=False)) == [f"4 filter -I DOCKER {OPENED}"]


def test_a_range_is_one_rule_in_each_place() -> None:
    assert text(Publish("tcp", ANY4, 8000, WEB4, 8000, "docker0", count=1000)) == [
        "4 filter -I DOCKER -d 172.17.0.4/32 ! -i docker0 -o docker0 -p tcp -m tcp"
        " --dport 8000:8999 -j ACCEPT",
        "4 nat -A POSTROUTING -s 172.17.0.4/32 -d 172.17.0.4/32 -p tcp -m tcp"
        " --dport 8000:8999 -j MASQUERADE",
        "4 nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8000:8999"
        " -j DNAT --to-destination 172.17.0.4:8000-8999/8000",
    ]


def test_a_shifted_range_names_the_base_port() -> None:
    lines = text(Publish("tcp", ANY4, 8003, WEB4, 9000, "docker0", count=10))
    assert lines[-1].endswith("--dport 8003:8012 -j DNAT --to-destination 172.17.0.4:9000-9009/8003")


def test_publish_in_ipv6_leaves_link_local_clients_to_the_proxy() -> None:
    assert text(Publish("tcp", ANY6, 8080, WEB6, 80, "docker0", count=2))[1:] == [
        "6 nat -A POSTROUTING -s fd00::4/128 -d fd00::4/128 -p tcp -m tcp --dport 80:81 -j MASQUERADE",
        "6 nat -A DOCKER ! -s fe80::/10 ! -i docker0 -p tcp -m tcp --dport 8080:8081"
        " -j DNAT --to-destination [fd00::4]:80-81/8080",
    ]


def test_publish_of_one_family_to_the_other_is_the_proxys_alone() -> None:
    assert text(Publish("tcp", ANY6, 8080, WEB4, 80, "docker0")) == []


def test_publish_to_some_sources() -> None:
    """A rule for each, one for the host itself, and none that is for everybody."""
    allowed = (ip_network("10.0.0.0/8"), ip_network("192.0.2.7"))
    fact = Publish("tcp", ANY4, 8080, WEB4, 80, "docker0", sources=allowed, restricted=True)
    port = "! -i docker0 -p tcp -m tcp --dport 8080"
    target = "-j DNAT --to-destination 172.17.0.4:80"
    assert text(fact) == [
        f"4 filter -I DOCKER -s 10.0.0.0/8 {OPENED}",
        f"4 filter -I DOCKER -s 192.0.2.7/32 {OPENED}",
        f"4 nat -A POSTROUTING {HAIRPIN}",
        f"4 nat -A DOCKER {port} -m addrtype --src-type LOCAL {target}",
        f"4 nat -A DOCKER -s 10.0.0.0/8 {port} {target}",
        f"4 nat -A DOCKER -s 192.0.2.7/32 {port} {target}",
    ]


def test_publish_to_sources_of_the_other_family_alone() -> None:
    fact = Publish("tcp", ANY4, 8080, WEB4, 80, "docker0", restricted=True)
    assert [line for line in text(fact) if "DNAT" in line or "ACCEPT" in line] == [
        "4 nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -m addrtype --src-type LOCAL"
        " -j DNAT --to-destination 172.17.0.4:80"
    ]


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("::/0", ["! -s fe80::/10 ", None]),
        ("8000::/1", ["-s fe80::/10 ", "-s 8000::/1 "]),
        ("fe80::/64", [None, None]),
        ("fd00::/8", [None, "-s fd00::/8 "]),
    ],
)
def test_publish_to_sources_leaves_link_local_clients_to_the_proxy(source: str, lines: list[object]) -> None:
    fact = Publish("tcp", ANY6, 8080, WEB6, 80, "docker0", sources=(ip_network(source),), restricted=True)
    found = [line for line in text(fact) if " nat -A DOCKER " in line and "addrtype" not in line]
    wanted = [line for line in lines if line is not None]
    assert [
        line.startswith(f"6 nat -A DOCKER {begin}") for line, begin in zip(found, wanted, strict=True)
    ] == [True] * len(wanted)


def test_publish_of_sctp_fills_in_the_checksum() -> None:
    lines = text(Publish("sctp", ANY4, 8000, WEB4, 9000, "docker0", count=10))
    assert "4 mangle -A POSTROUTING -p sctp -m sctp --sport 9000:9009 -j CHECKSUM --checksum-fill" in lines


def test_direct_access_drop_lets_trusted_links_in_first() -> None:
    assert text(DirectAccessDrop(WEB4, "docker0", trusted=("vpn0", "tun1"))) == [
        "4 raw -A PREROUTING -d 172.17.0.4/32 -i vpn0 -j ACCEPT",
        "4 raw -A PREROUTING -d 172.17.0.4/32 -i tun1 -j ACCEPT",
        "4 raw -A PREROUTING -d 172.17.0.4/32 ! -i docker0 -j DROP",
    ]
    assert text(DirectAccessDrop(WEB6, "docker0")) == [
        "6 raw -A PREROUTING -d fd00::4/128 ! -i docker0 -j DROP"
    ]


def test_loopback_only() -> None:
    assert text(LoopbackOnly("tcp", ip_address("127.0.0.1"), 8080)) == [
        "4 raw -A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP"
    ]
    assert text(LoopbackOnly("udp", ip_address("127.0.0.2"), 8080, 3)) == [
        "4 raw -A PREROUTING -d 127.0.0.2/32 ! -i lo -p udp -m udp --dport 8080:8082 -j DROP"
    ]
    assert text(LoopbackOnly("tcp", ip_address("::1"), 8080)) == []


def test_linked_containers_both_ways() -> None:
    fact = LinkedContainers(ip_address("172.17.0.2"), ip_address("172.17.0.3"), "tcp", 5432, "docker0")
    assert text(fact) == [
        "4 filter -A DOCKER -s 172.17.0.2/32 -d 172.17.0.3/32 -i docker0 -o docker0"
        " -p tcp -m tcp --dport 5432 -j ACCEPT",
        "4 filter -A DOCKER -s 172.17.0.3/32 -d 172.17.0.2/32 -i docker0 -o docker0"
        " -p tcp -m tcp --sport 5432 -j ACCEPT",
    ]


def test_base_jumps() -> None:
    assert [f"{rule.table} {rule.chain} {rule.arguments}" for rule in base_jumps(4)] == [
        "filter FORWARD -j DOCKER-USER",
        "filter FORWARD -j DOCKER-FORWARD",
        "nat PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "nat OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
    ]
    assert base_jumps(6)[-1].arguments == "! -d ::1/128 -m addrtype --dst-type LOCAL -j DOCKER"
    assert base_jumps(4, userland_proxy=False)[-1].arguments == "-m addrtype --dst-type LOCAL -j DOCKER"


@pytest.mark.parametrize(("mark", "words"), [("1", "0x1"), ("0x10/0xff", "0x10/0xff"), ("8/15", "0x8/0xf")])
def test_base_rules_with_an_accepted_mark(mark: str, words: str) -> None:
    assert [rule.arguments for rule in base_rules(4, mark)] == [
        f"-m mark --mark {words} -j ACCEPT",
        "-j DOCKER-CT",
        "-j DOCKER-INTERNAL",
        "-j DOCKER-BRIDGE",
    ]


def test_base_rules() -> None:
    assert {rule.chain for rule in base_rules(6)} == {"DOCKER-FORWARD"}
    assert len(base_rules(6)) == 3
