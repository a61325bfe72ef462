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
from linkspan.firewall.render.nftables import describe, family, is_translated, own_port, render

ANY, ANY6 = ip_address("0.0.0.0"), ip_address("::")
HOST, WEB, WEB6 = ip_address("10.0.0.5"), ip_address("172.17.0.2"), ip_address("fd00::2")
SUBNET, SUBNET6 = ip_network("172.17.0.0/16"), ip_network("fd00::/64")

CASES: list[tuple[Fact, set[str]]] = [
    (
        Masquerade(SUBNET, "docker0"),
        {
            'home { 172.17.0.0-172.17.255.255 . "docker0" }',
            "masqueraded { 172.17.0.0-172.17.255.255 }",
        },
    ),
    (
        Masquerade(SUBNET, "docker0", source=HOST, from_host=True),
        {
            'home { 172.17.0.0-172.17.255.255 . "docker0" }',
            "sources { 172.17.0.0-172.17.255.255 : 10.0.0.5 }",
            'host_sources { "docker0" : 10.0.0.5 }',
        },
    ),
    (
        Masquerade(SUBNET6, "docker0", from_host=True),
        {
            'home { fd00::-fd00::ffff:ffff:ffff:ffff . "docker0" }',
            "masqueraded { fd00::-fd00::ffff:ffff:ffff:ffff }",
            'host_masqueraded { "docker0" }',
        },
    ),
    (
        Publish("tcp", ANY, 8080, WEB, 80, "docker0", sources=(ip_network("10.0.0.0/8"),), restricted=True),
        {
            "open_from { 10.0.0.0-10.255.255.255 . 172.17.0.2 . tcp . 80 }",
            "itself { 172.17.0.2 . 172.17.0.2 }",
            "ports_own { 0.0.0.0-255.255.255.255 . tcp . 8080 : 172.17.0.2 . 80 }",
            "ports_from { 10.0.0.0-10.255.255.255 . 0.0.0.0-255.255.255.255 . tcp . 8080 : 172.17.0.2 . 80 }",
        },
    ),
    (
        Publish("udp", HOST, 8080, WEB, 80, "docker0", count=2, restricted=True),
        {
            "itself { 172.17.0.2 . 172.17.0.2 }",
            "ports_own { 10.0.0.5 . udp . 8080 : 172.17.0.2 . 80 }",
            "ports_own { 10.0.0.5 . udp . 8081 : 172.17.0.2 . 81 }",
        },
    ),
    (EgressOpen("br-a", WEB6), {'egress_names { "br-a" . fd00::2 }'}),
    (
        Fence("br-a", SUBNET, outward=(ip_network("10.0.0.0/8"),)),
        {
            'same { "br-a" . "br-a" }',
            'within { "br-a" . "br-a" : accept }',
            'egress { "br-a" }',
            'egress_to { "br-a" . 10.0.0.0-10.255.255.255 }',
            'default { "br-a" : drop }',
            'bridges { "br-a" }',
        },
    ),
    (SkipOwnBridge("docker0", 6), {'proxied { "docker0" }'}),
    (
        Hairpin(SUBNET, "docker0"),
        {'turned { "docker0" . "docker0" }', 'turning { 172.17.0.0-172.17.255.255 . "docker0" }'},
    ),
    (
        Fence("docker0", SUBNET),
        {
            'same { "docker0" . "docker0" }',
            'within { "docker0" . "docker0" : accept }',
            'default { "docker0" : drop }',
            'bridges { "docker0" }',
        },
    ),
    (
        Fence("br-r", SUBNET, icc=False, gateway_mode="routed"),
        {
            'same { "br-r" . "br-r" }',
            'within { "br-r" . "br-r" : drop }',
            'routed { "br-r" }',
            'default { "br-r" : drop }',
            'bridges { "br-r" }',
        },
    ),
    (
        Fence("br-u", SUBNET, gateway_mode="nat-unprotected"),
        {
            'same { "br-u" . "br-u" }',
            'within { "br-u" . "br-u" : accept }',
            'default { "br-u" : accept }',
            'bridges { "br-u" }',
        },
    ),
    (
        Fence("br-i", SUBNET, internal=True),
        {
            'same { "br-i" . "br-i" }',
            'within { "br-i" . "br-i" : accept }',
            'inside { "br-i" . 172.17.0.0-172.17.255.255 }',
            'internal { "br-i" }',
        },
    ),
    (
        Publish("tcp", ANY, 8080, WEB, 80, "docker0"),
        {
            "open_ports { 172.17.0.2 . tcp . 80 }",
            "itself { 172.17.0.2 . 172.17.0.2 }",
            "ports_any { tcp . 8080 : 172.17.0.2 . 80 }",
        },
    ),
    (
        Publish("udp", HOST, 8080, WEB, 80, "docker0"),
        {
            "open_ports { 172.17.0.2 . udp . 80 }",
            "itself { 172.17.0.2 . 172.17.0.2 }",
            "ports { 10.0.0.5 . udp . 8080 : 172.17.0.2 . 80 }",
        },
    ),
    (
        Publish("tcp", HOST, 8000, WEB, 8000, "docker0", count=1000),
        {
            "open_ranges { 172.17.0.2 . tcp . 8000-8999 }",
            "itself { 172.17.0.2 . 172.17.0.2 }",
            "ranges { 10.0.0.5 . tcp . 8000-8999 : 172.17.0.2 }",
        },
    ),
    (
        Publish("sctp", ANY6, 8000, WEB6, 8000, "docker0", count=2),
        {
            "open_ranges { fd00::2 . sctp . 8000-8001 }",
            "itself { fd00::2 . fd00::2 }",
            "ranges_any { sctp . 8000-8001 : fd00::2 }",
        },
    ),
    (
        Publish("tcp", ANY, 8003, WEB, 9000, "docker0", count=3),
        {
            "open_ranges { 172.17.0.2 . tcp . 9000-9002 }",
            "itself { 172.17.0.2 . 172.17.0.2 }",
            "ports_any { tcp . 8003 : 172.17.0.2 . 9000 }",
            "ports_any { tcp . 8004 : 172.17.0.2 . 9001 }",
            "ports_any { tcp . 8005 : 172.17.0.2 . 9002 }",
        },
    ),
    (Publish("tcp", ANY, 0, WEB, 80, "br-r", nat=False), {"open_ports { 172.17.0.2 . tcp . 80 }"}),
    (Publish("tcp", ANY6, 8080, WEB, 80, "docker0"), set()),
    (
        DirectAccessDrop(WEB, "docker0", trusted=("vpn0",)),
        {
            "guarded { 172.17.0.2 }",
            'ways { 172.17.0.2 . "docker0" }',
            'ways { 172.17.0.2 . "vpn0" }',
        },
    ),
    (
        LoopbackOnly("tcp", ip_address("127.0.0.1"), 80),
        {"loopback_ports { 127.0.0.1 . tcp . 80 }"},
    ),
    (
        LoopbackOnly("tcp", ip_address("127.0.0.1"), 80, 2),
        {"loopback_ranges { 127.0.0.1 . tcp . 80-81 }"},
    ),
    (LoopbackOnly("tcp", ip_address("::1"), 80), set()),
    (
        LinkedContainers(ip_address("172.17.0.3"), WEB, "tcp", 5432, "docker0"),
        {'links { "docker0" . 172.17.0.3 . 172.17.0.2 . tcp . 5432 }'},
    ),
]


@pytest.mark.parametrize(("fact", "texts"), CASES, ids=lambda value: type(value).__name__)
def test_the_elements_of_a_fact(fact: Fact, texts: set[str]) -> None:
    elements = render(fact)
    assert {element.text() for element in elements} == texts
    assert len(elements) == len(texts)
    assert {element.of.family for element in elements} <= {family(fact)}
    assert describe(fact)


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (Publish("tcp", ANY, 65536, WEB, 80, "docker0"), "there is no port 65536"),
        (Publish("tcp", ANY, 65000, WEB, 65000, "docker0", count=600), "there is no port 65599"),
        (Publish("tcp", ANY, 80, WEB, 65535, "docker0", count=2), "there is no port 65536"),
        (SkipOwnBridge("x" * 16), "longer than 15 bytes"),
    ],
)
def test_what_no_element_can_hold(fact: Fact, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        render(fact)


def test_the_own_bridge_of_a_published_port() -> None:
    one = Publish("tcp", HOST, 8080, WEB, 80, "docker0")
    assert own_port(one).text() == 'own_ports { "docker0" . 10.0.0.5 . tcp . 8080 }'
    many = Publish("udp", ANY, 8000, WEB, 9000, "docker0", count=10)
    assert own_port(many).text() == 'own_ports { "docker0" . 0.0.0.0-255.255.255.255 . udp . 8000-8009 }'
    assert own_port(Publish("tcp", ANY6, 1, WEB6, 1, "docker0")).of.family == 6


def test_what_is_translated() -> None:
    assert is_translated(Publish("tcp", ANY, 8080, WEB, 80, "docker0"))
    assert not is_translated(Publish("tcp", ANY6, 8080, WEB, 80, "docker0"))
    assert not is_translated(Publish("tcp", ANY, 0, WEB, 80, "docker0", nat=False))


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (Publish("tcp", HOST, 80, WEB, 80, "docker0"), "the published port 10.0.0.5:80/tcp"),
        (LoopbackOnly("udp", ip_address("127.0.0.1"), 80, 3), "the published port 127.0.0.1:80-82/udp"),
        (DirectAccessDrop(WEB, "docker0"), "the protection of 172.17.0.2 on docker0"),
        (SkipOwnBridge("docker0"), "the network on docker0"),
        (Fence("docker0", SUBNET), "the network 172.17.0.0/16 on docker0"),
        (LinkedContainers(WEB, HOST, "tcp", 1, "docker0"), "the link from 172.17.0.2 to 10.0.0.5:1/tcp"),
    ],
)
def test_a_fact_in_words(fact: Fact, words: str) -> None:
    assert describe(fact) == words
