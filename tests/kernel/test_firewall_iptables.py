"""IptablesFirewall against the kernel, both variants: nothing foreign touched, nothing left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from linkspan.blueprint.facts import (
    DirectAccessDrop,
    Fact,
    Fence,
    Hairpin,
    LinkedContainers,
    LoopbackOnly,
    Masquerade,
    Publish,
    SkipOwnBridge,
)
from linkspan.firewall.family import FamilyRules
from linkspan.firewall.iptables import IptablesFirewall
from linkspan.firewall.journal import Journal
from linkspan.firewall.programs import Programs
from linkspan.firewall.render.iptables import base_jumps, base_rules, render
from linkspan.firewall.render.rules import Rule
from linkspan.model.errors import KernelError, LinkspanError

SUBNET, WEB = ip_network("172.17.0.0/16"), ip_address("172.17.0.4")
NETWORK: list[Fact] = [
    Masquerade(SUBNET, "docker0"),
    SkipOwnBridge("docker0"),
    Fence("docker0", SUBNET),
    Masquerade(ip_network("fd00::/64"), "docker0"),
    Fence("docker0", ip_network("fd00::/64")),
]
ENDPOINT: list[Fact] = [
    DirectAccessDrop(WEB, "docker0", trusted=("vpn0",)),
    Publish("tcp", ip_address("0.0.0.0"), 8080, WEB, 80, "docker0"),
    Publish("udp", ip_address("127.0.0.1"), 8000, WEB, 9000, "docker0", count=1000),
    LoopbackOnly("udp", ip_address("127.0.0.1"), 8000, 1000),
    Publish("sctp", ip_address("0.0.0.0"), 7000, WEB, 7000, "docker0", count=2),
    Publish("tcp", ip_address("::"), 8080, ip_address("fd00::4"), 80, "docker0"),
]
EVERY_KIND: list[Fact] = [
    Fence("br-i", ip_network("172.21.0.0/16"), internal=True),
    Fence("br-i", ip_network("fd21::/64"), internal=True, icc=False),
    Fence("br-r", ip_network("172.22.0.0/16"), gateway_mode="routed", icc=False),
    Fence("br-r", ip_network("fd22::/64"), gateway_mode="routed"),
    Fence("br-u", ip_network("172.23.0.0/16"), gateway_mode="nat-unprotected"),
    Masquerade(ip_network("172.23.0.0/16"), "br-u", source=ip_address("10.0.0.5"), from_host=True),
    Masquerade(ip_network("fd23::/64"), "br-u", source=ip_address("fd10::5"), from_host=True),
    Masquerade(ip_network("172.24.0.0/24"), "br-v", from_host=True),
    SkipOwnBridge("br-v", family=6),
    Hairpin(ip_network("172.24.0.0/24"), "br-v"),
    Hairpin(ip_network("fd23::/64"), "br-u"),
    Publish("udp", ip_address("10.0.0.5"), 53, ip_address("172.24.0.2"), 5353, "br-v", own_bridge=True),
    Publish("tcp", ip_address("0.0.0.0"), 0, ip_address("172.22.0.2"), 80, "br-r", nat=False),
    Publish("tcp", ip_address("fd10::5"), 8003, ip_address("fd23::2"), 9000, "br-u", count=10),
    Publish("sctp", ip_address("::"), 7000, ip_address("fd23::2"), 7000, "br-u", own_bridge=True),
    DirectAccessDrop(ip_address("fd23::2"), "br-u", trusted=("vpn0", "vpn1")),
    LoopbackOnly("tcp", ip_address("127.0.0.2"), 80),
    LinkedContainers(ip_address("172.17.0.2"), ip_address("172.17.0.3"), "tcp", 5432, "docker0"),
    LinkedContainers(ip_address("fd00::2"), ip_address("fd00::3"), "udp", 5432, "docker0"),
]
USERS = """*filter
:DOCKER-USER - [0:0]
:MINE - [0:0]
-A FORWARD -i tun0 -j ACCEPT
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -s 10.9.0.0/16 -j DROP
-A DOCKER-USER -j RETURN
-A MINE -j ACCEPT
COMMIT
*nat
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.4/32 -d 172.17.0.4/32 -p tcp -m tcp --dport 81 -j MASQUERADE
-A PREROUTING -i eth0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.1.1:80
COMMIT
*raw
-A PREROUTING -d 172.17.0.4/32 ! -i docker1 -j DROP
COMMIT
"""


class Host:
    """A namespace with an iptables variant; everything runs inside it."""

    def __init__(self, namespace, binary: str, journal: Path) -> None:
        self.namespace, self.binary, self.journal = namespace, binary, journal

    def firewall(self, **options: object) -> IptablesFirewall:
        return IptablesFirewall(self.binary, self.journal, **options)

    def do(self, function: Callable[..., object], *arguments: object) -> None:
        self.namespace.call(function, *arguments)

    def rules(self) -> dict[str, list[str]]:
        """All rules and user chains by table and family; empty tables are as good as none."""
        tables: dict[str, list[str]] = {}
        for name in (self.binary, self.binary.replace("iptables", "ip6tables")):
            table = ""
            for line in self.namespace.run(f"{name}-save").splitlines():
                if line.startswith("*"):
                    table = f"{name} {line[1:]}"
                elif line.startswith("-A") or (line.startswith(":") and " - " in line):
                    tables.setdefault(table, []).append(line.removesuffix(" [0:0]"))
        return tables

    def restore(self, text: str) -> None:
        path = self.journal.with_name("input")
        path.write_text(text)
        self.namespace.run(f"{self.binary}-restore --wait --noflush {path}")


@pytest.fixture(params=["iptables-nft", "iptables-legacy"])
def host(request, namespace, tmp_path) -> Host:
    return Host(namespace, request.param, tmp_path / "journal")


def test_every_rule_is_saved_as_it_was_rendered(host: Host) -> None:
    firewall = host.firewall(accept_mark="0x1/0x3")
    host.do(firewall.start)
    host.do(firewall.add, NETWORK + ENDPOINT + EVERY_KIND)
    expected = [*render(NETWORK + ENDPOINT + EVERY_KIND)]
    for family in (4, 6):
        expected += [*base_jumps(family), *base_rules(family, "0x1/0x3")]
    saved = host.rules()
    standing = sorted(line for lines in saved.values() for line in lines if line.startswith("-A"))
    assert standing == sorted(f"-A {rule.chain} {rule.arguments}" for rule in expected)
    assert saved[f"{host.binary} filter"].index("-A FORWARD -j DOCKER-USER") + 1 == saved[
        f"{host.binary} filter"
    ].index("-A FORWARD -j DOCKER-FORWARD")
    assert host.namespace.call(firewall.heal) is False
    host.do(firewall.remove, EVERY_KIND)
    assert "br-" not in str(host.rules())


def _programs(host: Host) -> Programs:
    programs = Programs(4, host.binary)
    programs.probe()
    return programs


def test_start_add_remove_stop_leave_a_bare_host_as_it_was(host: Host) -> None:
    before = host.rules()
    firewall = host.firewall()
    host.do(firewall.start)
    started = host.rules()
    host.do(firewall.add, NETWORK)
    network = host.rules()
    host.do(firewall.add, ENDPOINT)
    host.do(firewall.remove, ENDPOINT)
    assert host.rules() == network
    host.do(firewall.remove, NETWORK)
    assert host.rules() == started
    host.do(firewall.add, NETWORK + ENDPOINT)
    host.do(firewall.stop)
    assert host.rules() == before
    assert not host.journal.exists()


def test_start_twice_is_start_once(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    once = host.rules()
    host.do(firewall.start)
    assert host.rules() == once


def test_the_users_rules_and_lookalikes_survive(host: Host) -> None:
    host.restore(USERS)
    before = host.rules()
    firewall = host.firewall()
    host.do(firewall.start)
    filters = [line for line in host.rules()[f"{host.binary} filter"] if line.startswith("-A FORWARD")]
    assert filters == [
        "-A FORWARD -j DOCKER-USER",
        "-A FORWARD -j DOCKER-FORWARD",
        "-A FORWARD -i tun0 -j ACCEPT",
    ]
    host.do(firewall.add, NETWORK + ENDPOINT)
    host.do(firewall.remove, ENDPOINT)
    host.do(firewall.remove, NETWORK)
    host.do(firewall.stop)
    after = host.rules()
    for rules in (before, after):
        for lines in rules.values():
            lines.sort()
    assert after == before


def test_what_a_user_writes_into_docker_user_outlives_stop(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.namespace.run(f"{host.binary} -I DOCKER-USER -s 10.9.0.0/16 -j DROP")
    host.do(firewall.add, NETWORK)
    host.do(firewall.stop)
    assert host.rules() == {
        f"{host.binary} filter": [
            ":DOCKER-USER -",
            "-A FORWARD -j DOCKER-USER",
            "-A DOCKER-USER -s 10.9.0.0/16 -j DROP",
        ]
    }


def test_a_later_run_removes_what_a_killed_one_left(host: Host) -> None:
    host.restore(USERS)
    killed = host.firewall()
    host.do(killed.start)
    started = host.rules()
    host.do(killed.add, NETWORK + ENDPOINT)
    host.do(host.firewall().start)
    assert host.rules() == started


def test_a_later_run_takes_over_standing_facts_and_can_remove_them(host: Host) -> None:
    killed = host.firewall()
    host.do(killed.start)
    host.do(killed.add, NETWORK + ENDPOINT)
    standing = host.rules()
    later = host.firewall()
    host.do(later.start, NETWORK + ENDPOINT)
    assert _sorted(host.rules()) == _sorted(standing)
    host.do(later.remove, ENDPOINT)
    host.do(later.remove, NETWORK)
    fresh = host.rules()
    host.do(later.stop)
    assert host.rules() == {}
    host.do(host.firewall().start)
    assert host.rules() == fresh


def test_stop_of_a_run_that_never_started_cleans_up_after_a_killed_one(host: Host) -> None:
    killed = host.firewall(userland_proxy=False)
    host.do(killed.start)
    host.do(killed.add, NETWORK + ENDPOINT)
    host.do(host.firewall().stop)
    assert host.rules() == {}


def test_the_userland_proxy_setting_can_change_between_runs(host: Host) -> None:
    host.do(host.firewall().start)
    host.do(host.firewall(userland_proxy=False).start)
    assert [line for line in host.rules()[f"{host.binary} nat"] if "OUTPUT" in line] == [
        "-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER"
    ]


@pytest.mark.parametrize("flush", ["-F", "-t nat -F", "-F DOCKER", "-t nat -D DOCKER 1", "-t raw -F"])
def test_removal_after_somebody_flushed(host: Host, flush: str) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, NETWORK)
    host.do(firewall.add, ENDPOINT)
    host.namespace.run(f"{host.binary} {flush}")
    host.do(firewall.remove, ENDPOINT)
    host.do(firewall.remove, NETWORK)
    assert "172.17.0" not in str(host.rules())
    assert "docker0" not in str(host.rules())
    host.do(firewall.stop)
    assert host.rules() == {}


def test_removal_after_a_flush_spares_the_users_equal_rule(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, NETWORK)
    host.namespace.run(f"{host.binary} -F")
    rule = "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"
    host.namespace.run(f"{host.binary} -t nat {rule}")
    host.do(firewall.remove, NETWORK)
    assert host.rules()[f"{host.binary} nat"].count(rule) == 1


@pytest.mark.parametrize(
    "bad",
    [
        Publish("tcp", ip_address("0.0.0.0"), 70000, WEB, 80, "docker0"),
        Masquerade(ip_network("10.0.0.0/8"), "a-name-that-is-much-too-long"),
        DirectAccessDrop(ip_address("fd00::9"), "a-name-that-is-much-too-long"),
    ],
)
def test_a_bad_fact_in_the_middle_applies_nothing(host: Host, bad: Fact) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, NETWORK)
    before = host.rules()
    noted = Journal(host.journal).rules(4)
    with pytest.raises(KernelError, match=r"adding firewall rules: ip6?tables.*(70000|too-long)"):
        host.do(firewall.add, [*ENDPOINT[:3], bad, *ENDPOINT[3:]])
    assert host.rules() == before
    host.do(firewall.add, ENDPOINT)
    host.do(firewall.remove, ENDPOINT)
    assert host.rules() == before
    assert Journal(host.journal).rules(4) == noted


def test_a_fact_that_the_kernel_refuses_applies_nothing(host: Host) -> None:
    """The program takes it and the kernel does not: MASQUERADE has no place in the filter table."""
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, NETWORK)
    before = host.rules()
    rules = [*render(ENDPOINT), Rule(4, "filter", "DOCKER", "-j MASQUERADE")]
    with pytest.raises(KernelError, match=r"adding firewall rules"):
        host.do(FamilyRules(_programs(host)).install, [rule for rule in rules if rule.family == 4])
    assert host.rules() == before


FLUSHES = {
    "-F": ["{0} -F"],
    "-F and -X": ["{0} -F", "{0} -X", "{0} -t nat -F", "{0} -t nat -X", "{0} -t raw -F"],
    "nat": ["{0} -t nat -F", "{0} -t nat -X DOCKER"],
    "one jump": ["{0} -D FORWARD -j DOCKER-FORWARD"],
    "one rule": ["{0} -t nat -D DOCKER 2"],
}


def _sorted(rules: dict[str, list[str]]) -> dict[str, list[str]]:
    return {table: sorted(lines) for table, lines in rules.items()}


@pytest.mark.parametrize("flush", FLUSHES)
def test_what_somebody_flushed_is_healed(host: Host, flush: str) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, NETWORK + ENDPOINT)
    before = host.rules()
    assert host.namespace.call(firewall.heal) is False
    host.namespace.run(*(command.format(host.binary) for command in FLUSHES[flush]))
    assert host.namespace.call(firewall.heal) is True
    assert _sorted(host.rules()) == _sorted(before)
    host.do(firewall.stop)
    assert host.rules() == {}


def test_an_addition_heals_chains_that_are_gone(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, NETWORK)
    host.do(firewall.add, ENDPOINT)
    before = host.rules()
    host.do(firewall.remove, ENDPOINT)
    host.namespace.run(*(command.format(host.binary) for command in FLUSHES["-F and -X"]))
    host.do(firewall.add, ENDPOINT)
    assert _sorted(host.rules()) == _sorted(before)


def test_a_rule_that_two_facts_share_goes_with_the_last(host: Host) -> None:
    one = Publish("tcp", ip_address("0.0.0.0"), 8080, WEB, 80, "docker0")
    two = Publish("tcp", ip_address("127.0.0.1"), 8081, WEB, 80, "docker0")
    hairpin = "-A POSTROUTING -s 172.17.0.4/32 -d 172.17.0.4/32 -p tcp -m tcp --dport 80 -j MASQUERADE"
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, [one])
    host.do(firewall.add, [two])
    assert host.rules()[f"{host.binary} nat"].count(hairpin) == 1
    host.do(firewall.remove, [one])
    assert host.rules()[f"{host.binary} nat"].count(hairpin) == 1
    host.do(firewall.remove, [two, two])
    assert hairpin not in host.rules()[f"{host.binary} nat"]


def test_a_thousand_single_ports_come_and_go_among_a_thousand_others(host: Host) -> None:
    many = [
        [
            Publish("tcp", ip_address("0.0.0.0"), base + port, address, 1000 + port, "docker0")
            for port in range(0, 2000, 2)
        ]
        for base, address in ((10000, WEB), (20001, ip_address("172.17.0.5")))
    ]
    host.restore(USERS)
    firewall = host.firewall(ip6tables=False)
    host.do(firewall.start)
    host.do(firewall.add, many[0])
    others = host.rules()
    host.do(firewall.add, many[1])
    assert str(host.rules()).count("172.17.0.5") > 3000
    host.do(firewall.remove, many[1])
    assert host.rules() == others


def test_many_threads_at_once(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    before = host.rules()
    errors: list[BaseException] = []

    def churn(number: int) -> None:
        facts = [
            DirectAccessDrop(ip_address(f"172.17.1.{number}"), "docker0"),
            Publish("tcp", ip_address("0.0.0.0"), 9000 + number, WEB, 80, "docker0"),
        ]
        try:
            for _ in range(3):
                firewall.add(facts)
                firewall.remove(facts)
        except BaseException as error:
            errors.append(error)

    def all_at_once() -> None:
        threads = [threading.Thread(target=churn, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    host.do(all_at_once)
    assert errors == []
    assert host.rules() == before


def test_without_the_raw_table(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_INSECURE_NO_IPTABLES_RAW", "1")
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, ENDPOINT)
    assert f"{host.binary} raw" not in host.rules()
    host.do(firewall.stop)


def test_a_kernel_without_the_raw_table_is_named(host: Host, tmp_path: Path) -> None:
    """A stand-in refuses the raw table as iptables-legacy does where the kernel lacks it."""
    for name in ("", "-save", "-restore"):
        refuse = (
            'text=$(cat); case "$text" in *"*raw"*) echo "iptables-restore: unable to initialize table '
            "'raw'\nError occurred at line: 1\" >&2; exit 2;; esac; printf '%s\n' \"$text\" | "
        )
        script = tmp_path / f"iptables{name}"
        script.write_text(f'#!/bin/sh\n{refuse if name == "-restore" else ""}{host.binary}{name} "$@"\n')
        script.chmod(0o755)
    firewall = IptablesFirewall(str(tmp_path / "iptables"), ip6tables=False)
    host.do(firewall.start)
    before = host.rules()
    with pytest.raises(KernelError, match=r"table 'raw'.*DOCKER_INSECURE_NO_IPTABLES_RAW=1"):
        host.do(firewall.add, ENDPOINT)
    assert host.rules() == before


def test_without_ip6tables(host: Host) -> None:
    firewall = host.firewall(ip6tables=False)
    host.do(firewall.start)
    host.do(firewall.add, NETWORK + ENDPOINT)
    assert not [table for table in host.rules() if table.startswith("ip6")]
    host.do(firewall.stop)
    assert host.rules() == {}


def test_facts_before_start_are_refused(host: Host) -> None:
    with pytest.raises(LinkspanError, match="iptables has not been started"):
        host.do(host.firewall().add, ENDPOINT)


def test_the_policy_of_forward_is_left_alone(host: Host) -> None:
    host.namespace.run(f"{host.binary} -P FORWARD DROP")
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, NETWORK)
    host.do(firewall.stop)
    assert ":FORWARD DROP" in host.namespace.run(f"{host.binary}-save -t filter")
