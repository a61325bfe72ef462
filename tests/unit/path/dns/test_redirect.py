"""The rules that lead 127.0.0.11:53 to the resolver."""

from __future__ import annotations

from linkspan.path.dns.redirect import nft_rules, rules

RULES = """\
-A DOCKER_OUTPUT -d 127.0.0.11 -p udp --dport 53 -j DNAT --to-destination 127.0.0.11:40001
-A DOCKER_OUTPUT -d 127.0.0.11 -p tcp --dport 53 -j DNAT --to-destination 127.0.0.11:40002
-A DOCKER_POSTROUTING -s 127.0.0.11 -p udp --sport 40001 -j SNAT --to-source :53
-A DOCKER_POSTROUTING -s 127.0.0.11 -p tcp --sport 40002 -j SNAT --to-source :53
COMMIT
"""


def test_a_new_namespace() -> None:
    assert rules(40001, 40002) == (
        "*nat\n"
        "-N DOCKER_OUTPUT\n"
        "-N DOCKER_POSTROUTING\n"
        "-A OUTPUT -d 127.0.0.11 -j DOCKER_OUTPUT\n"
        "-A POSTROUTING -d 127.0.0.11 -j DOCKER_POSTROUTING\n" + RULES
    )


def test_a_namespace_that_has_the_chains() -> None:
    assert rules(40001, 40002, again=True) == (
        "*nat\n:DOCKER_OUTPUT - [0:0]\n:DOCKER_POSTROUTING - [0:0]\n" + RULES
    )


def test_a_host_without_iptables() -> None:
    lines = nft_rules(40001, 40002).splitlines()
    assert lines[:3] == [
        "add table ip linkspan_dns",
        "delete table ip linkspan_dns",
        "add table ip linkspan_dns",
    ]
    output = "add rule ip linkspan_dns output ip daddr 127.0.0.11"
    assert f"{output} udp dport 53 dnat to 127.0.0.11:40001" in lines
    assert f"{output} tcp dport 53 dnat to 127.0.0.11:40002" in lines
    assert "add rule ip linkspan_dns postrouting ip saddr 127.0.0.11 udp sport 40001 snat to :53" in lines
