"""What nft lists as JSON, asked with packets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from linkspan.insight.trace.nft_rules import tables
from linkspan.insight.trace.packet import Packet
from linkspan.insight.trace.ruleset import Undecided

SYN = Packet("tcp", ip_address("10.0.0.9"), ip_address("172.17.0.2"), 40000, 80, "eth0", "docker0")
IP = {"payload": {"protocol": "ip", "field": "daddr"}}
PROTOCOL = {"meta": {"key": "l4proto"}}
PORT = {"payload": {"protocol": "th", "field": "dport"}}
SETS = {
    "ports": [[{"concat": ["tcp", 80]}, {"concat": ["172.17.0.9", 8080]}]],
    "ranges": [[{"concat": ["tcp", {"range": [70, 90]}]}, "172.17.0.9"]],
    "links": ["lo", "docker0"],
    "subnets": [{"prefix": {"addr": "172.17.0.0", "len": 16}}],
    "verdicts": [[{"elem": {"val": "docker0", "counter": {"packets": 1, "bytes": 2}}}, {"drop": None}]],
}


def kind(address):
    return "local" if address == ip_address("10.0.0.5") else "unicast"


def listing(*expressions, family="ip", policy="accept"):
    place = {"family": family, "table": "t"}
    base = {"type": "filter", "hook": "forward", "prio": 0}
    return {
        "nftables": [
            {"metainfo": {}},
            {"table": {"family": family, "name": "t"}},
            {"chain": {**place, "name": "c", **base, "policy": policy}},
            *({"map": {**place, "name": name, "elem": elements}} for name, elements in SETS.items()),
            {"rule": {**place, "chain": "c", "handle": 5, "expr": list(expressions)}},
        ]
    }


def rule(*expressions, family="ip", text=""):
    (table,) = tables(listing(*expressions, family=family), text, lambda family, name: False)
    return table.chains["c"].rules[0]


def ask(*expressions, packet=SYN, family="ip"):
    return rule(*expressions, family=family).judge(packet, kind)


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


@pytest.mark.parametrize(
    ("test", "matches"),
    [
        (match(IP, "172.17.0.2"), True),
        (match(IP, "172.17.0.2", "!="), False),
        (match(IP, {"prefix": {"addr": "172.16.0.0", "len": 12}}), True),
        (match(IP, {"range": ["172.17.0.1", "172.17.0.3"]}), True),
        (match(IP, "@subnets"), True),
        (match({"payload": {"protocol": "ip6", "field": "daddr"}}, "fd00::1", "!="), False),
        (match({"meta": {"key": "iifname"}}, "eth*"), True),
        (match({"meta": {"key": "oifname"}}, "@links"), True),
        (match({"meta": {"key": "iifname"}}, "@links", "!="), True),
        (match(PROTOCOL, {"set": ["udp", "tcp"]}), True),
        (match(PROTOCOL, 6), True),
        (match(PROTOCOL, "udp"), False),
        (match(PORT, {"set": [22, {"range": [80, 90]}]}), True),
        (match({"payload": {"protocol": "udp", "field": "dport"}}, 80), False),
        (match({"payload": {"protocol": "tcp", "field": "sport"}}, 40000), True),
        (match({"ct": {"key": "state"}}, ["established", "related"], "in"), False),
        (match({"ct": {"key": "state"}}, "new", "in"), True),
        (match({"ct": {"key": "status"}}, "dnat", "in"), False),
        (match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), False),
        (match({"fib": {"result": "type", "flags": ["saddr"]}}, "local", "!="), True),
        (match({"meta": {"key": "nfproto"}}, "ipv4"), True),
        (match({"meta": {"key": "mark"}}, 1), False),
    ],
)
def test_matches(test, matches):
    assert (ask(test, {"drop": None}) is not None) is matches


def test_maps_translate():
    key = {"concat": [PROTOCOL, PORT]}
    found = ask({"dnat": {"family": "ip", "addr": {"map": {"key": key, "data": "@ports"}}}})
    assert found.words == "destination becomes 172.17.0.9:8080"
    assert found.packet.translated
    found = ask({"dnat": {"addr": {"map": {"key": key, "data": "@ranges"}}}})
    assert found.words == "destination becomes 172.17.0.9:80"
    other = replace(SYN, destination_port=99)
    assert ask({"dnat": {"addr": {"map": {"key": key, "data": "@ranges"}}}}, packet=other) is None


def test_verdict_maps_and_statements():
    key = {"meta": {"key": "oifname"}}
    assert ask({"vmap": {"key": key, "data": "@verdicts"}}).verdict == "drop"
    assert ask({"vmap": {"key": {"meta": {"key": "iifname"}}, "data": "@verdicts"}}) is None
    assert ask({"jump": {"target": "x"}}).target == "x"
    assert ask({"masquerade": None}).words == "source becomes the address of docker0"
    assert ask({"snat": {"addr": "10.0.0.5", "port": 9}}).words == "source becomes 10.0.0.5:9"
    assert ask({"redirect": {"port": 3128}}).words == "redirected to port 3128 of this host"
    marked = ask({"mangle": {"key": {"meta": {"key": "mark"}}, "value": 16}})
    assert (marked.verdict, marked.packet.mark) == ("go on", 16)


def test_what_cannot_be_known():
    with pytest.raises(Undecided, match="meta skuid"):
        ask(match({"meta": {"key": "skuid"}}, 0), {"drop": None})
    with pytest.raises(Undecided, match="queue"):
        ask({"queue": {"num": 0}})


def test_text_counter_and_deletion():
    line = "ip daddr 1.2.3.4 counter packets 3 bytes 9 drop # handle 5"
    text = f"table ip t {{ # handle 1\n\tchain c {{ # handle 2\n\t\t{line}\n\t}}\n}}\n"
    found = rule({"counter": {"packets": 3, "bytes": 9}}, {"drop": None}, text=text)
    assert (found.text, found.counted) == ("ip daddr 1.2.3.4 drop", 3)
    assert found.deletion == "nft delete rule ip t c handle 5"


def test_tables_of_iptables_are_left_out():
    assert tables(listing({"drop": None}), "", lambda family, name: (family, name) == ("ip", "t")) == []


def test_priorities_by_number_and_policy():
    (table,) = tables(listing({"accept": None}, family="inet", policy="drop"), "", lambda family, name: False)
    chain = table.chains["c"]
    assert (chain.hook, chain.priority, chain.policy) == ("forward", 0, "drop")
    assert table.covers(4) and table.covers(6)
