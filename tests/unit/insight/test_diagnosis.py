"""What the doctor makes of what was seen."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.insight.diagnosis import Seen, findings
from linkspan.insight.trace.iptables_rules import tables
from linkspan.insight.trace.world import Socket

WELL = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.rp_filter": "1",
    "net.netfilter.nf_conntrack_count": "10",
    "net.netfilter.nf_conntrack_max": "1000",
}
FILTER = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n"


def texts(seen, **fields):
    given = {"sysctls": WELL, "resolvers": ["10.0.0.1"], **fields}
    return [finding.text for finding in findings(Seen(seen, **given))]


def test_a_healthy_host(seen):
    heard = {"1" * 64: [Socket("tcp", None, 80), Socket("tcp", None, 9005)]}
    fields = {
        "listening": heard,
        "mtus": {"eth0": 1500},
        "routes": [("default", "eth0"), ("172.17.0.0/16", "docker0"), ("10.0.0.0/24", "eth0")],
        "taken": {"172.17.0.0/16": (2, 65534)},
        "tables": tables(FILTER, "iptables"),
        "sockets": ["/run/linkspan/linkspan.sock"],
    }
    assert texts(seen, **fields) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sysctls": {**WELL, "net.ipv4.ip_forward": "0"}}, "ip_forward is 0"),
        ({"sysctls": {**WELL, "net.netfilter.nf_conntrack_count": "900"}}, "nearly full: 900 of 1000"),
        ({"routes": [("default", "eth0"), ("default", "eth1")]}, "rp_filter is strict"),
        ({"routes": [("172.16.0.0/12", "tun0")]}, "the route 172.16.0.0/12 by tun0 overlaps 172.17.0.0/16"),
        ({"mtus": {"eth0": 1400}}, "network bridge has MTU 1500, and eth0 takes 1400"),
        ({"resolvers": []}, "names no resolver"),
        ({"taken": {"10.5.0.0/29": (5, 5)}}, "5 of the 5 addresses of 10.5.0.0/29 are taken"),
        ({"sockets": ["/var/run/docker.sock"]}, "a Docker runs on this host too"),
        (
            {"tables": tables(FILTER, "iptables") + tables(FILTER, "iptables-legacy")},
            "iptables-legacy and of iptables-nft stand side by side",
        ),
        ({"listening": {"1" * 64: []}}, "8080 → 80/tcp of web is published, and nobody listens on 80"),
        (
            {"listening": {"1" * 64: [Socket("tcp", ip_address("127.0.0.1"), 80)]}},
            "8080 → 80/tcp of web is published",
        ),
    ],
)
def test_what_is_wrong(seen, fields, words):
    for network in seen["Networks"]:
        network["Mtu"] = 1500
    found = texts(seen, **fields)
    assert any(words in text for text in found), found
    assert all(finding.remedy for finding in findings(Seen(seen, **{"sysctls": WELL, **fields})))


def test_icc_without_br_netfilter(seen):
    seen["Networks"][0]["Icc"] = False
    assert "icc=false does not hold on bridge" in texts(seen)[0]
    assert texts(seen, sysctls={**WELL, "net.bridge.bridge-nf-call-iptables": "1"}) == []


def test_ports_that_nobody_listens_on_may_be_meant_so(seen):
    found = findings(Seen(seen, sysctls=WELL, resolvers=["10.0.0.1"], listening={"1" * 64: []}))
    assert [finding.hint for finding in found] == [True, True]
