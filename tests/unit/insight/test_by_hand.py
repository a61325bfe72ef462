"""Parts as shell commands."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from linkspan.blueprint.parts import Address, Bridge, MovedLink, Route, Shaper, SubLink, Sysctl, VethPair
from linkspan.insight.by_hand import of_parts, of_sandbox

NAMES = {"/run/x": "web"}


@pytest.mark.parametrize(
    ("part", "texts"),
    [
        (Bridge("br0", adopted=True), []),
        (
            Bridge("br0", mtu=1400, mac="02:00:00:00:00:01"),
            [
                "ip link add br0 txqueuelen 0 address 02:00:00:00:00:01 type bridge",
                "ip link set br0 mtu 1400 up",
            ],
        ),
        (
            VethPair("veth1", "eth0", "/run/x", "br0", hairpin=True),
            [
                "ip link add veth1 mtu 1500 txqueuelen 0 type veth"
                " peer name eth0 mtu 1500 txqueuelen 0 netns web",
                "ip link set veth1 master br0 up",
                "bridge link set dev veth1 hairpin on",
                "ip -n web link set eth0 up",
            ],
        ),
        (
            SubLink("macvlan", "eth0", "eth9", "/run/x", "bridge"),
            ["ip link add eth0 link eth9 netns web type macvlan mode bridge", "ip -n web link set eth0 up"],
        ),
        (
            SubLink("vlan", "eth9.5", "eth9", mode="5"),
            ["ip link add eth9.5 link eth9 type vlan id 5", "ip link set eth9.5 up"],
        ),
        (
            MovedLink("plug0", "eth0", "/run/x"),
            ["ip link set plug0 netns web name eth0", "ip -n web link set eth0 up"],
        ),
        (Address("br0", ip_interface("172.17.0.1/16")), ["ip address add 172.17.0.1/16 dev br0"]),
        (
            Address("eth0", ip_interface("fd00::2/64"), "/run/x"),
            ["ip -n web address add fd00::2/64 dev eth0 nodad"],
        ),
        (
            Route("eth0", ip_address("172.17.0.1"), sandbox="/run/x"),
            ["ip -n web route add default via 172.17.0.1 dev eth0"],
        ),
        (
            Route("eth0", destination=ip_network("fd00:1::/64"), sandbox="/run/x"),
            ["ip -n web -6 route add fd00:1::/64 dev eth0"],
        ),
        (
            Sysctl("net.ipv6.conf.eth0.accept_ra", "0", "/run/x", needed=False),
            ["ip netns exec web sysctl -q -e -w net.ipv6.conf.eth0.accept_ra=0"],
        ),
        (
            Shaper("veth1", 10_000_000),
            ["tc qdisc replace dev veth1 root handle 1: tbf rate 10000000bit burst 16384 latency 50ms"],
        ),
    ],
)
def test_what_would_be_typed(part, texts):
    assert [command.text for command in of_parts([part], NAMES)] == texts


def test_namespaces_begin_with_lo_down():
    assert [each.text for each in of_sandbox("web", "web")] == [
        "ip netns add web",
        "ip -n web link set lo up",
    ]
