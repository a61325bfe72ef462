from __future__ import annotations

import pytest

from linkspan.firewall.obstacles import Chain

BRIDGES = {4: {"docker0", "br-a"}, 6: {"br-a"}}


def rules(*names: str) -> str:
    return "".join(f'\t\t{way} "{name}" accept\n' for name in names for way in ("iifname", "oifname"))


@pytest.mark.parametrize(
    ("family", "text", "blocked"),
    [
        ("ip", "", ["br-a", "docker0"]),
        ("ip6", "", ["br-a"]),
        ("inet", "", ["br-a", "docker0"]),
        ("ip", rules("docker0"), ["br-a"]),
        ("ip", rules("br-*", "docker0"), []),
        ("ip", 'iifname "docker0" accept\niifname "br-a" accept', ["br-a", "docker0"]),
    ],
)
def test_bridges_that_no_rule_names_both_ways(family: str, text: str, blocked: list[str]) -> None:
    assert Chain(family, "filter", "FORWARD", True, text).blocked(BRIDGES) == blocked


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        (Chain("ip", "filter", "FORWARD", True, ""), "`iptables -P FORWARD ACCEPT`"),
        (Chain("ip6", "filter", "FORWARD", True, ""), "`ip6tables -P FORWARD ACCEPT`"),
        (Chain("ip", "filter", "FORWARD", True, "jump ufw-forward"), "`ufw default allow routed`"),
        (Chain("inet", "firewalld", "filter_FORWARD", False, ""), "--zone=trusted --add-interface=docker0"),
        (
            Chain("inet", "mine", "FORWARD", True, ""),
            "`nft insert rule inet mine FORWARD iifname",
        ),
    ],
)
def test_each_has_its_remedy(chain: Chain, words: str) -> None:
    assert words in chain.sentence(["docker0"])
    assert "docker0" in chain.sentence(["docker0"])
    assert chain.sentence([]) == ""


def test_a_chain_that_accepts_does_no_harm() -> None:
    assert Chain("ip", "filter", "FORWARD", False, "").sentence(["docker0"]) == ""
