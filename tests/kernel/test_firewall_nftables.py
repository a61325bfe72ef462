"""NftablesFirewall against the kernel: whole changes or none, nothing foreign touched, nothing left."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

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
from linkspan.firewall import libnftables, nftables
from linkspan.firewall.choice import MovingFirewall
from linkspan.firewall.iptables import IptablesFirewall
from linkspan.firewall.nftables import NftablesFirewall
from linkspan.firewall.render.nftables import render
from linkspan.firewall.render.table import definition
from linkspan.model.errors import KernelError, LinkspanError

ANY, WEB, HOST = ip_address("0.0.0.0"), ip_address("172.17.0.4"), ip_address("10.0.0.5")
SUBNET = ip_network("172.17.0.0/16")
NETWORK: list[Fact] = [
    Fence("docker0", SUBNET),
    Masquerade(SUBNET, "docker0"),
    SkipOwnBridge("docker0"),
    Masquerade(ip_network("fd00::/64"), "docker0"),
    Fence("docker0", ip_network("fd00::/64")),
]
ENDPOINT: list[Fact] = [
    DirectAccessDrop(WEB, "docker0", trusted=("vpn0",)),
    Publish("tcp", ANY, 8080, WEB, 80, "docker0"),
    Publish("udp", ip_address("127.0.0.1"), 8000, WEB, 9000, "docker0", count=1000),
    LoopbackOnly("udp", ip_address("127.0.0.1"), 8000, 1000),
    Publish("sctp", ANY, 7000, WEB, 7000, "docker0", count=2),
    Publish("tcp", ip_address("::"), 8080, ip_address("fd00::4"), 80, "docker0"),
]
EVERY_KIND: list[Fact] = [
    Fence("br-i", ip_network("172.21.0.0/16"), internal=True),
    Fence("br-i", ip_network("fd21::/64"), internal=True, icc=False),
    Fence("br-r", ip_network("172.22.0.0/16"), gateway_mode="routed", icc=False),
    Fence("br-r", ip_network("fd22::/64"), gateway_mode="routed"),
    Fence("br-u", ip_network("172.23.0.0/16"), gateway_mode="nat-unprotected"),
    Masquerade(ip_network("172.23.0.0/16"), "br-u", source=HOST, from_host=True),
    Masquerade(ip_network("fd23::/64"), "br-u", source=ip_address("fd10::5"), from_host=True),
    Masquerade(ip_network("172.24.0.0/24"), "br-v", from_host=True),
    SkipOwnBridge("br-v", family=6),
    Hairpin(ip_network("172.24.0.0/24"), "br-v"),
    Hairpin(ip_network("fd23::/64"), "br-u"),
    Publish("udp", HOST, 53, ip_address("172.24.0.2"), 5353, "br-v", own_bridge=True),
    Publish("tcp", ANY, 0, ip_address("172.22.0.2"), 80, "br-r", nat=False),
    Publish("tcp", ip_address("fd10::5"), 8003, ip_address("fd23::2"), 8003, "br-u", count=10),
    Publish("sctp", ip_address("::"), 7000, ip_address("fd23::2"), 7000, "br-u", own_bridge=True),
    DirectAccessDrop(ip_address("fd23::2"), "br-u", trusted=("vpn0", "vpn1")),
    LoopbackOnly("tcp", ip_address("127.0.0.2"), 80),
    LinkedContainers(ip_address("172.17.0.2"), ip_address("172.17.0.3"), "tcp", 5432, "docker0"),
    LinkedContainers(ip_address("fd00::2"), ip_address("fd00::3"), "udp", 5432, "docker0"),
]
FOREIGN = """add table inet mine
add chain inet mine forward { type filter hook forward priority 10; }
add rule inet mine forward iifname tun0 accept
add set inet mine linkspan { type ipv4_addr; }
add element inet mine linkspan { 10.0.0.1 }
add table bridge linkspan
add chain bridge linkspan forward { type filter hook forward priority 0; }
"""


class Host:
    """A namespace in which everything runs."""

    def __init__(self, namespace: Any, directory: Path, stack: ExitStack) -> None:
        self.namespace, self.directory, self._stack = namespace, directory, stack

    def firewall(self, **options: Any) -> NftablesFirewall:
        made = NftablesFirewall(**options)
        self._stack.callback(made.close)
        return made

    def do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self.namespace.call(function, *arguments)

    def nft(self, text: str) -> None:
        path = self.directory / "input"
        path.write_text(text)
        self.namespace.run(f"nft -f {path}")

    def ruleset(self) -> list[Any]:
        """Everything that nft knows, without handles and counters."""
        listed = json.loads(self.namespace.run("nft -j list ruleset"))["nftables"]
        return sorted((_plain(entry) for entry in listed if "metainfo" not in entry), key=str)

    def elements(self, family: str = "ip") -> dict[str, list[Any]]:
        """The elements of every set of ours that has some."""
        found = {}
        for entry in self.ruleset():
            of = entry.get("set") or entry.get("map") or {}
            if of.get("family") == family and of.get("table") == "linkspan" and of.get("elem"):
                found[of["name"]] = of["elem"]
        return found

    def settled_elements(self) -> dict[str, list[Any]]:
        """The elements once two listings agree: one taken while a hash table grows misses some of them."""
        last = self.elements()
        for _ in range(20):
            again = self.elements()
            if again == last:
                break
            last = again
        return last

    def rules(self) -> list[str]:
        """The tables' rules alone, as text."""
        listed = self.namespace.run("nft list ruleset")
        return [line for line in listed.splitlines() if "@" in line and "elements" not in line]


def _plain(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {
            key: sorted(map(_plain, value), key=str)
            if key == "elem" and isinstance(value, list)
            else _plain(value)
            for key, value in entry.items()
            if key not in ("handle", "packets", "bytes")
        }
    return [_plain(each) for each in entry] if isinstance(entry, list) else entry


@pytest.fixture
def host(namespace: Any, tmp_path: Path) -> Iterator[Host]:
    with ExitStack() as stack:
        yield Host(namespace, tmp_path, stack)


def test_every_element_is_listed_as_it_was_rendered(host: Host) -> None:
    firewall = host.firewall(accept_mark="0x1/0x3")
    host.do(firewall.start)
    host.do(firewall.add, NETWORK + ENDPOINT + EVERY_KIND)
    listed = host.namespace.run("nft list ruleset")
    for fact in NETWORK + ENDPOINT + EVERY_KIND:
        for element in render(fact):
            if element.of.name in ("masqueraded", "sources", "inside", "home", "turning"):
                continue  # nft writes these ranges as subnets
            text = (
                element.text()
                .split("{ ")[1]
                .removesuffix(" }")
                .replace(" : drop", "")
                .replace(" : accept", "")
            )
            assert text in listed, element.text()
    for text in (
        '"br-i" . 172.21.0.0/16',
        "172.24.0.0/24",
        "172.23.0.0/16 : 10.0.0.5",
        'fd00::/64 . "docker0"',
    ):
        assert text in listed
    assert host.do(firewall.heal) is False
    host.do(firewall.remove, EVERY_KIND)
    assert "br-" not in str(host.ruleset())


def test_start_add_remove_stop_leave_a_bare_host_as_it_was(host: Host) -> None:
    host.nft(FOREIGN)
    before = host.ruleset()
    firewall = host.firewall()
    host.do(firewall.start)
    started = host.ruleset()
    host.do(firewall.add, NETWORK)
    network = host.ruleset()
    host.do(firewall.add, ENDPOINT)
    host.do(firewall.remove, ENDPOINT)
    assert host.ruleset() == network
    host.do(firewall.remove, NETWORK)
    assert host.ruleset() == started
    host.do(firewall.add, NETWORK + ENDPOINT)
    host.do(firewall.stop)
    assert host.ruleset() == before


def test_ports_and_containers_cost_no_rules(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    rules = host.rules()
    host.do(firewall.add, NETWORK + ENDPOINT + EVERY_KIND)
    assert host.rules() == rules
    assert len(host.elements()["open_ranges"]) == 2


def test_a_run_that_keeps_its_numbers_is_one_element(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, [*NETWORK, Publish("tcp", ANY, 20000, WEB, 20000, "docker0", count=10000)])
    elements = host.elements()
    assert len(elements["ranges_any"]) == len(elements["open_ranges"]) == 1
    assert "ports_any" not in elements and "open_ports" not in elements


def test_a_later_run_keeps_the_users_chain_and_removes_what_a_killed_one_left(host: Host) -> None:
    killed = host.firewall()
    host.do(killed.start)
    host.namespace.run("nft add rule ip linkspan user ip saddr 10.9.0.0/16 drop")
    host.namespace.run("nft add rule ip6 linkspan user iifname @bridges counter")
    started = host.ruleset()
    host.do(killed.add, NETWORK + ENDPOINT)
    later = host.firewall()
    host.do(later.start)
    assert host.ruleset() == started
    host.do(later.start)
    assert host.ruleset() == started


def test_a_later_run_takes_over_standing_facts_and_can_remove_them(host: Host) -> None:
    killed = host.firewall()
    host.do(killed.start)
    host.do(killed.add, NETWORK + ENDPOINT)
    standing = host.ruleset()
    later = host.firewall()
    host.do(later.start, NETWORK + ENDPOINT)
    assert host.ruleset() == standing
    host.do(later.remove, ENDPOINT)
    host.do(later.remove, NETWORK)
    assert host.elements() == {}
    host.do(later.stop)
    assert host.ruleset() == []


def test_stop_keeps_what_the_user_wrote_and_nothing_else(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.namespace.run("nft add rule ip linkspan user ip saddr 10.9.0.0/16 drop")
    host.do(firewall.add, NETWORK)
    host.do(firewall.stop)
    listed = host.namespace.run("nft list ruleset")
    assert "ip saddr 10.9.0.0/16 drop" in listed
    assert "hook" not in listed and "set" not in listed and "ip6" not in listed
    again = host.firewall()
    host.do(again.start)
    assert "ip saddr 10.9.0.0/16 drop" in host.namespace.run("nft list chain ip linkspan user")


def test_stop_when_the_users_rules_use_our_sets(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.namespace.run("nft add rule ip linkspan user oifname @bridges counter")
    host.do(firewall.add, NETWORK)
    host.do(firewall.stop)
    assert host.elements() == {}
    assert "hook" not in host.namespace.run("nft list ruleset")


def test_stop_of_a_run_that_never_started_cleans_up_after_a_killed_one(host: Host) -> None:
    killed = host.firewall(userland_proxy=False)
    host.do(killed.start)
    host.do(killed.add, NETWORK + ENDPOINT)
    host.do(host.firewall().stop)
    assert host.ruleset() == []


def test_the_userland_proxy_setting_can_change_between_runs(host: Host) -> None:
    host.do(host.firewall().start)
    assert "ip daddr != 127.0.0.0/8" in host.namespace.run("nft list chain ip linkspan output")
    host.do(host.firewall(userland_proxy=False).start)
    assert "127.0.0.0/8" not in host.namespace.run("nft list chain ip linkspan output")


FLUSHES = {
    "everything": "flush ruleset",
    "our rules": "flush table ip linkspan",
    "one chain": "flush chain ip linkspan into",
    "our table": "delete table ip6 linkspan",
    "a set": "flush set ip linkspan open_ports",
    "an element": "delete element ip linkspan bridges { docker0 }",
    "an element too many": "add element ip linkspan bridges { eth0 }",
    "a rule too many": "insert rule ip linkspan forward accept",
}


@pytest.mark.parametrize("change", FLUSHES)
def test_what_somebody_changed_is_healed(host: Host, change: str) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, NETWORK + ENDPOINT)
    before = host.ruleset()
    host.nft(FOREIGN)
    assert host.do(firewall.heal) is False
    host.nft(f"{FLUSHES[change]}\n")
    for foreign in ("inet mine", "bridge linkspan"):
        host.nft(f"add table {foreign}\ndelete table {foreign}\n")
    assert host.do(firewall.heal) is True
    assert host.ruleset() == before
    assert host.do(firewall.heal) is False


@pytest.mark.parametrize("change", ["everything", "our table", "a set"])
def test_additions_and_removals_after_a_flush(host: Host, change: str) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, NETWORK)
    network = host.ruleset()
    host.do(firewall.add, ENDPOINT)
    everything = host.ruleset()
    host.nft(f"{FLUSHES[change]}\n")
    host.do(firewall.remove, ENDPOINT)
    assert host.ruleset() == network
    host.nft(f"{FLUSHES[change]}\n")
    host.do(firewall.add, ENDPOINT)
    host.do(firewall.heal)
    assert host.ruleset() == everything


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (
            Publish("tcp", ANY, 70000, WEB, 80, "docker0"),
            "the published port 0.0.0.0:70000/tcp: there is no port",
        ),
        (Masquerade(ip_network("10.0.0.0/8"), "a-name-that-is-much-too-long"), "longer than 15 bytes"),
        (
            Publish("tcp", ANY, 8080, WEB, 81, "docker0"),
            r"0.0.0.0:8080/tcp, ports_any \{ tcp . 8080 : 172.17.0.4 . 81",
        ),
        (Masquerade(ip_network("172.17.4.0/24"), "br-x"), "the network 172.17.4.0/24 on br-x"),
    ],
)
def test_a_bad_fact_in_the_middle_applies_nothing(host: Host, bad: Fact, words: str) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, [*NETWORK, ENDPOINT[1]])
    before = host.ruleset()
    with pytest.raises(KernelError, match=r"adding firewall rules: nftables: .*" + words):
        host.do(firewall.add, [*ENDPOINT[2:4], bad, *ENDPOINT[4:]])
    assert host.ruleset() == before
    host.do(firewall.add, ENDPOINT[2:])
    host.do(firewall.remove, ENDPOINT[2:])
    assert host.ruleset() == before
    assert host.do(firewall.heal) is False


def test_a_table_of_our_name_that_somebody_else_made(host: Host) -> None:
    host.nft("add table ip linkspan\nadd chain ip linkspan user\n")
    before = host.ruleset()
    firewall = host.firewall()
    with pytest.raises(
        LinkspanError, match="the nftables table ip linkspan was made by somebody else: rename it"
    ):
        host.do(firewall.start, NETWORK)
    with pytest.raises(LinkspanError, match="was made by somebody else"):
        host.do(firewall.stop)
    assert host.ruleset() == before


def test_ipv6_alone_failing_leaves_ipv4_working(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    host.nft("add table ip6 linkspan\nadd chain ip6 linkspan user\n")
    firewall = host.firewall()
    host.do(firewall.start, [fact for fact in NETWORK if "fd00" not in str(fact)])
    assert "IPv6 stays without firewall rules: the nftables table ip6 linkspan" in caplog.text
    with pytest.raises(LinkspanError, match="cannot add firewall rules: the nftables table ip6"):
        host.do(firewall.add, ENDPOINT)
    host.do(firewall.add, ENDPOINT[:-1])
    with pytest.raises(LinkspanError, match="ip6 linkspan was made by somebody else"):
        host.do(host.firewall().start, NETWORK)


OTHER_VERSION = """flush chain ip linkspan forward
delete set ip linkspan internal
add set ip linkspan internal { type ipv4_addr; }
"""


def test_a_table_of_another_version_is_made_anew_with_the_users_rules(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start, NETWORK)
    host.namespace.run("nft add rule ip linkspan user ip saddr 10.9.0.0/16 counter drop")
    before = host.ruleset()
    host.nft(OTHER_VERSION)
    host.do(host.firewall().start, NETWORK)
    assert host.ruleset() == before


def test_what_does_not_fit_is_named_and_left(host: Host) -> None:
    """The user's rules use a set of his own in our table, which cannot be made anew then."""
    host.do(host.firewall().start)
    host.nft(
        "add set ip linkspan mine { type ipv4_addr; }\nadd rule ip linkspan user ip saddr @mine drop\n"
        + OTHER_VERSION
    )
    before = host.ruleset()
    with pytest.raises(
        KernelError, match=r"writing the table ip linkspan: .*internal.*: the table holds what"
    ):
        host.do(host.firewall().start)
    assert host.ruleset() == before


def test_what_the_kernel_lacks_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*arguments: Any, **options: Any) -> str:
        return definition(*arguments, **options) + "add rule ip linkspan into jump missing\n"

    monkeypatch.setattr(nftables, "definition", lacking)
    words = r"\(at: add rule ip linkspan into jump missing\): the kernel lacks .*--firewall-backend=iptables"
    with pytest.raises(KernelError, match=words):
        host.do(host.firewall().start)
    assert host.ruleset() == []


def test_a_missing_library_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libnftables, "LIBRARY", "libnftables.so.0")
    with pytest.raises(LinkspanError, match=r"so.0 is not installed: install .*--firewall-backend=iptables"):
        host.do(host.firewall().start)
    assert host.ruleset() == []


def test_more_than_a_thousand_descriptors(host: Host) -> None:
    """Open ones do not disturb a firewall that has started; a later one is refused, not aborted."""
    firewall = host.firewall()
    host.do(firewall.start)
    with ExitStack() as stack:
        for _ in range(1100):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        host.do(firewall.add, NETWORK + ENDPOINT)
        host.nft("flush ruleset\n")
        assert host.do(firewall.heal) is True
        with pytest.raises(LinkspanError, match="descriptor below 1024"):
            host.do(host.firewall().start)
    host.do(firewall.remove, ENDPOINT)


def test_an_element_that_two_facts_share_goes_with_the_last(host: Host) -> None:
    one = Publish("tcp", ANY, 8080, WEB, 80, "docker0")
    two = Publish("tcp", ip_address("127.0.0.1"), 8081, WEB, 80, "docker0")
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, NETWORK)
    host.do(firewall.add, [one])
    host.do(firewall.add, [two])
    host.do(firewall.remove, [one])
    assert len(host.elements()["open_ports"]) == len(host.elements()["itself"]) == 1
    host.do(firewall.remove, [two, two])
    assert "open_ports" not in host.elements() and "itself" not in host.elements()


def test_a_thousand_single_ports_come_and_go_among_ten_thousand_others(host: Host) -> None:
    others = [Publish("tcp", ANY, 10000 + i, WEB, 20000 + 2 * i, "docker0") for i in range(10000)]
    mine = [Publish("tcp", HOST, 10000 + i, WEB, 1001 + 2 * i, "docker0") for i in range(1000)]
    firewall = host.firewall()
    host.do(firewall.start)
    host.do(firewall.add, [*NETWORK, *others])
    before = host.settled_elements()
    assert len(before["ports_any"]) == len(before["open_ports"]) == 10000
    host.do(firewall.add, mine)
    assert len(host.elements()["ports"]) == 1000
    host.do(firewall.remove, mine)
    assert host.settled_elements() == before
    assert host.do(firewall.heal) is False


def test_many_threads_at_once(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    before = host.ruleset()
    errors: list[BaseException] = []

    def churn(number: int) -> None:
        facts = [
            DirectAccessDrop(ip_address(f"172.17.1.{number}"), "docker0"),
            Publish("tcp", ANY, 9000 + number, WEB, 80, "docker0"),
        ]
        try:
            for _ in range(30):
                firewall.add(facts)
                firewall.remove(facts)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert host.ruleset() == before


def test_without_ipv6(host: Host) -> None:
    host.do(host.firewall().start, NETWORK)
    firewall = host.firewall(ip6tables=False)
    host.do(firewall.start)
    host.do(firewall.add, NETWORK + ENDPOINT)
    assert "ip6" not in str(host.ruleset())
    host.do(firewall.stop)
    assert host.ruleset() == []


def test_a_broken_connection_is_told(host: Host) -> None:
    firewall = host.firewall()
    host.do(firewall.start)
    firewall._tables.close()
    for change in (firewall.add, firewall.remove):
        with pytest.raises(KernelError, match="firewall rules: nftables: Bad file descriptor"):
            host.do(change, ENDPOINT)


def test_facts_before_start_are_refused(host: Host) -> None:
    with pytest.raises(LinkspanError, match="nftables has not been started"):
        host.do(host.firewall().add, ENDPOINT)
    host.do(host.firewall().remove, ENDPOINT)


@pytest.mark.parametrize("binary", ["iptables-nft", "iptables-legacy"])
def test_the_host_moves_from_one_backend_to_the_other_and_back(host: Host, binary: str) -> None:
    def saved() -> str:
        return "".join(
            line
            for program in (binary, binary.replace("ip", "ip6", 1))
            for line in host.namespace.run(f"{program}-save").splitlines(keepends=True)
            if line.startswith("-A") or " - [" in line
        )

    iptables = IptablesFirewall(binary, host.directory / "journal")
    host.do(iptables.start, NETWORK + ENDPOINT)
    first = saved()
    nftables = host.firewall()
    host.do(
        MovingFirewall(nftables, IptablesFirewall(binary, host.directory / "journal")).start,
        NETWORK + ENDPOINT,
    )
    assert saved() == ""
    assert "ports_any" in host.elements()
    back = MovingFirewall(IptablesFirewall(binary, host.directory / "journal"), host.firewall())
    host.do(back.start, NETWORK + ENDPOINT)
    assert sorted(saved().splitlines()) == sorted(first.splitlines())
    assert "linkspan" not in str(host.ruleset())
