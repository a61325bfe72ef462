from __future__ import annotations

import re

import pytest

from linkspan.firewall.render.table import CHAINS, MARK, SETS, USER, definition, table


def rules(text: str, chain: str) -> list[str]:
    return re.findall(rf"^add rule \S+ linkspan {chain} (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("family", [4, 6])
def test_every_line_is_one_command_about_our_own_table(family: int) -> None:
    lines = definition(family).splitlines()
    assert lines[0] == f'add table {table(family)} {{ comment "{MARK}"; }}'
    for line in lines:
        assert re.match(rf"(add (table|set|map|chain|rule)|flush chain) {table(family)}( |$)", line), line


@pytest.mark.parametrize("family", [4, 6])
def test_the_users_chain_is_made_and_asked_first_and_never_flushed(family: int) -> None:
    text = definition(family)
    assert f"add chain {table(family)} {USER}\n" in text
    assert rules(text, "forward")[0] == f"jump {USER}"
    assert USER not in CHAINS and rules(text, USER) == []
    assert re.findall(r"^flush chain \S+ linkspan (\S+)$", text, re.MULTILINE) == list(CHAINS)


@pytest.mark.parametrize("family", [4, 6])
def test_every_set_is_declared_and_looked_up_and_no_other(family: int) -> None:
    text = definition(family)
    looked_up = set(re.findall(r"@(\w+)", text))
    assert looked_up == set(SETS[family])
    assert set(re.findall(r"^add (?:set|map) \S+ linkspan (\w+) ", text, re.MULTILINE)) == looked_up


@pytest.mark.parametrize("family", [4, 6])
def test_no_placeholder_is_left_and_no_rule_is_empty(family: int) -> None:
    text = definition(family)
    assert not re.search(r"\b(IP|LOOPBACK|ICMP|LEAVING|OTHER_LINK|OTHERS|MARKED|ADDRESS)\b", text)
    assert "  " not in text.replace('"', "")
    foreign = {4: "ip6|ipv6|::", 6: r"ipv4|ip daddr|ip saddr|127\.0"}[family]
    assert not re.search(foreign, text.replace("ip6 ", "ip6_") if family == 6 else text)


def test_ipv6_has_its_own_words() -> None:
    text = definition(6)
    assert rules(text, "publish")[0] == "ip6 saddr fe80::/10 return"
    assert any("iifname . oifname != @same iifname . ip6 daddr" in rule for rule in rules(text, "forward"))
    assert any("ipv6-icmp" in rule for rule in rules(text, "into"))


@pytest.mark.parametrize(("family", "loopback"), [(4, "ip daddr != 127.0.0.0/8"), (6, "ip6 daddr != ::1")])
def test_with_the_proxy_the_hosts_loopback_is_not_translated(family: int, loopback: str) -> None:
    with_proxy = rules(definition(family), "output")
    without = rules(definition(family, userland_proxy=False), "output")
    assert with_proxy == [f"{loopback} {without[0]}"]


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("1", "meta mark 0x1 accept"),
        ("0x1/0x3", "meta mark and 0x3 == 0x1 accept"),
        ("8/8", "0x8 == 0x8"),
    ],
)
def test_an_accepted_mark_comes_after_the_user(mark: str, words: str) -> None:
    assert words in rules(definition(4, accept_mark=mark), "forward")[1]
    assert "mark" not in definition(4)
