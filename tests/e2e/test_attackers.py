"""Every hole that Docker once had, tried from the attacker's seat, on both packet filters and proxy settings.

Each test names its hole: the CVE, or Docker's issue and the number that docs/security.md lists it by.

    lan 10.0.0.9, with routes to every container ──┐        ┌ open   172.30.0.0/24, fd00:30::/64: web, mallory
    internet 198.51.100.1 ─────────────────────────┤─ host ─┤ other  172.31.0.0/24, fd00:31::/64: stranger
                                                            ├ four   172.29.0.0/24 alone: old, cousin
                                                            └ shut   172.28.0.0/24 internal: prisoner
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from linkspan.lab import Lab, Result

PROGRAM = str(Path(__file__).with_name("attacker.py"))
HOST, HOST6 = "10.0.0.5", "[fd00:10::5]"
WEB4, WEB6 = "172.30.0.2", "[fd00:30::2]"
PRISON = "172.28.0.2"
PATIENCE = 0.4
NETWORKS = {
    "open": ("--ipv6", "--subnet=172.30.0.0/24", "--subnet=fd00:30::/64"),
    "other": ("--ipv6", "--subnet=172.31.0.0/24", "--subnet=fd00:31::/64"),
    "four": ("--subnet=172.29.0.0/24",),
    "shut": ("--subnet=172.28.0.0/24", "--internal"),
}
PORTS = ("-p", "8080:80", "-p", "127.0.0.1:8090:80", "-p", "127.0.0.1:9000:9000/udp")


class Prey:
    """A host with containers, and those who want in or out."""

    def __init__(self, lab: Lab, proxy: bool) -> None:
        self.lab, self.proxy = lab, proxy
        self.keys: dict[str, str] = {}
        self.docker = lab.docker
        for name, options in NETWORKS.items():
            self.docker("network", "create", *options, name)
        serve = ("busybox", "sh", "-c", "httpd -p 81 -h /etc; exec httpd -f -h /etc")
        self.docker("run", "-d", "--name=web", "--network=open", "--ip=172.30.0.2", *PORTS, *serve)
        for name, network in (
            ("mallory", "open"),
            ("stranger", "other"),
            ("old", "four"),
            ("cousin", "four"),
            ("prisoner", "shut"),
        ):
            self.docker("run", "-d", f"--name={name}", f"--network={network}", "busybox", "sleep", "999")
        names = ("web", "mallory", "stranger", "old", "cousin", "prisoner")
        keys = self.docker("inspect", "-f", "{{.NetworkSettings.SandboxKey}}", *names).lines
        self.keys = dict(zip(names, keys, strict=True))
        for command in ("172.16.0.0/12 via 10.0.0.5", "fd00:30::/31 via fd00:10::5"):
            self.lab.run("lan", "ip", "route", "add", *command.split())
        for port in (80, 81):
            until(lambda port=port: self.ask("host", f"http://{WEB4}:{port}/hosts"))

    def host(self, *argv: str, check: bool = True) -> Result:
        """Run a command on the host."""
        return self.lab.run("host", *argv, check=check)

    def inside_net(self, name: str, *argv: str) -> str:
        """Run a program of the host in a container's network alone."""
        return self.host("nsenter", f"--net={self.keys[name]}", *argv).text

    def ask(self, seat: str, url: str) -> bool:
        """Whether anything answers; `seat` is a place of the lab or a container."""
        command = ["curl", "-s", "-g", "-o", "/dev/null", "--max-time", str(PATIENCE), url]
        if seat in self.keys:
            return self.host("nsenter", f"--net={self.keys[seat]}", *command, check=False).code == 0
        return self.lab.run(seat, *command, check=False).code == 0

    def answering(self, *asked: tuple[str, str]) -> list[tuple[str, str]]:
        """Those of (seat, URL) that get an answer, all asked at once."""
        with ThreadPoolExecutor(len(asked)) as together:
            found = together.map(lambda each: self.ask(*each), asked)
        return [each for each, answer in zip(asked, found, strict=True) if answer]

    def attack(self, seat: str, *words: str) -> str:
        """Run attacker.py in a seat."""
        command = (sys.executable, PROGRAM, *words)
        return self.inside_net(seat, *command) if seat in self.keys else self.lab.run(seat, *command).text

    def received(self, name: str) -> int:
        """How many UDP datagrams have reached a container, wanted or not."""
        text = self.inside_net(name, "cat", "/proc/net/snmp")
        counts = [line.split()[1:] for line in text.splitlines() if line.startswith("Udp:")]
        values = dict(zip(*counts, strict=True))
        return int(values["InDatagrams"]) + int(values["NoPorts"])

    def bridge(self, name: str) -> str:
        return "br-" + self.docker("network", "inspect", "-f", "{{.Id}}", name).text[:12]

    def mac(self, link: str) -> str:
        return self.host("cat", f"/sys/class/net/{link}/address").text


WORLDS = list(itertools.product(("iptables", "nftables"), (True, False)))


@pytest.fixture(
    scope="module", params=WORLDS, ids=lambda world: f"{world[0]}-{'proxy' if world[1] else 'noproxy'}"
)
def prey(request) -> Iterator[Prey]:
    backend, proxy = request.param
    with Lab() as lab:
        lab.run("host", "iptables", "-P", "FORWARD", "ACCEPT")
        lab.daemon(f"--firewall-backend={backend}", f"--userland-proxy={str(proxy).lower()}")
        yield Prey(lab, proxy)


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "this did not come true in time"
        time.sleep(0.02)


def test_s1_cve_2020_13401_router_advertisements_reach_neither_host_nor_containers(prey):
    """A container with NET_RAW says that it is a router: nobody believes it."""
    for name in ("open", "four"):
        link = prey.bridge(name)
        assert prey.host("sysctl", "-n", f"net.ipv6.conf.{link}.accept_ra").text == "0"
    for seat in ("mallory", "cousin"):
        prey.attack(seat, "advertise", "eth0", "2001:db8:bad::/64")
    time.sleep(0.1)
    believers = [prey.host("ip", "-6", "addr").text, prey.host("ip", "-6", "route").text]
    for name in ("web", "old"):
        believers += [prey.inside_net(name, "ip", "-6", what) for what in ("addr", "route")]
    assert not [text for text in believers if "2001:db8:bad" in text or "proto ra" in text]


def test_s2_45610_a_port_of_loopback_is_not_for_the_neighbours(prey):
    """Not by any address of the host, and not in a frame that says 127.0.0.1, whatever the sysctls say."""
    assert prey.ask("host", "http://127.0.0.1:8090/")
    asked = [("lan", f"http://{address}:8090/") for address in (HOST, HOST6, "172.30.0.1", "[fd00:30::1]")]
    assert prey.answering(*asked) == []
    before = prey.received("web")
    for key in ("eth0/route_localnet=1", "all/rp_filter=0", "eth0/rp_filter=0"):
        prey.host("sysctl", "-qw", f"net/ipv4/conf/{key}")
    for source in ("10.0.0.9", "127.0.0.1"):
        prey.attack("lan", "frame", "eth0", prey.mac("eth0"), source, "127.0.0.1", "9000")
    prey.attack("mallory", "frame", "eth0", prey.mac(prey.bridge("open")), WEB4, "127.0.0.1", "9000")
    time.sleep(0.1)
    assert prey.received("web") == before


def test_s3_s4_14041_28257_48815_a_route_to_the_containers_leads_nowhere(prey):
    """FORWARD's policy is ACCEPT, and the neighbour has a route: neither other ports nor published ones."""
    asked = [("lan", f"http://{address}:{port}/") for address in (WEB4, WEB6) for port in (80, 81)]
    assert prey.answering(*asked) == []
    published = [("lan", f"http://{HOST}:8080/"), ("lan", f"http://{HOST6}:8080/")]
    assert prey.answering(*published) == published


def test_s5_networks_reach_only_published_ports_of_each_other(prey):
    """By no address of the container, and by no gateway's address what is published for the host alone."""
    direct = [("stranger", f"http://{address}:{port}/") for address in (WEB4, WEB6) for port in (80, 81)]
    gateways = ("172.30.0.1", "172.31.0.1", "172.29.0.1", "172.28.0.1", HOST, "[fd00:30::1]", "[fd00:31::1]")
    hidden = [("stranger", f"http://{gateway}:8090/") for gateway in gateways]
    assert prey.answering(*direct, *hidden) == []
    published = [("stranger", f"http://{gateway}:8080/") for gateway in ("172.31.0.1", HOST)]
    assert prey.answering(*published) == published


def test_s5_a_packet_with_a_false_source_stays_where_it_was_sent(prey):
    """NET_RAW lets a container claim to be a peer of its victim in another network: dropped by its way in."""
    before = prey.received("web")
    for source in ("172.30.0.3", "172.30.0.1", HOST):
        prey.attack("stranger", "packet", source, WEB4, "81")
    time.sleep(0.1)
    assert prey.received("web") == before


def test_s6_cve_2024_29018_an_internal_network_asks_nobody_outside(prey):
    """Not through our resolver, not by hand; and a route that it makes itself leads nowhere."""
    asked = prey.lab.directory / "asked"
    prey.lab.start("internet", "socat", "-u", "UDP-RECV:53,bind=198.51.100.53", f"OPEN:{asked},creat")
    until(asked.exists)
    answer = prey.docker("exec", "prisoner", "nslookup", "secret.example.org", check=False)
    assert answer.code != 0
    prey.inside_net("prisoner", "ip", "route", "add", "default", "via", "172.28.0.1")
    for source in (PRISON, WEB4, HOST):
        prey.attack("prisoner", "packet", source, "198.51.100.53", "53")
    assert prey.answering(("prisoner", f"http://{WEB4}/"), ("lan", f"http://{PRISON}/")) == []
    assert asked.read_bytes() == b""
    prey.attack("mallory", "packet", "172.30.0.3", "198.51.100.53", "53")
    until(lambda: asked.read_bytes() == b"!")


def test_s7_cve_2024_32473_networks_of_ipv4_speak_no_ipv6(prey):
    """Their containers have no link-local address by which a peer, or the host, would reach them."""
    for name in ("old", "cousin", "prisoner"):
        assert prey.inside_net(name, "ip", "-6", "addr", "show", "dev", "eth0") == ""
        assert prey.inside_net(name, "cat", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6") == "1"


def test_s8_s9_cve_2025_54388_54410_a_flushed_firewall_is_closed_again(prey):
    """What a reload of firewalld does: all rules gone. Within a second every fence stands again."""
    prey.docker("network", "create", "passing")
    gone = prey.bridge("passing")
    prey.docker("network", "rm", "passing")
    prey.host("bash", "-c", "nft flush ruleset; for t in filter nat raw; do iptables -t $t -F; done")
    time.sleep(1.2)
    asked = [
        ("lan", f"http://{WEB4}:81/"),
        ("stranger", f"http://{WEB4}:81/"),
        ("lan", f"http://{HOST}:8090/"),
    ]
    assert prey.answering(*asked) == []
    assert prey.ask("lan", f"http://{HOST}:8080/")
    assert gone not in prey.host("nft", "list", "ruleset").text


def test_s10_cve_2023_28840_there_is_no_overlay_to_inject_into(prey):
    assert "not a swarm manager" in prey.docker("network", "create", "-d", "overlay", "wide", check=False).err
    assert "4789" not in prey.host("ss", "-lun").out


def test_s11_36069_an_address_that_is_given_again_has_another_mac(prey):
    """And the neighbours learn it by the announcements, long before they would ask again by themselves."""
    seen = []
    for _ in range(2):
        prey.docker("run", "-d", "--name=heir", "--network=open", "--ip=172.30.0.9", "busybox", "sleep", "99")
        seen.append(
            prey.docker("inspect", "-f", "{{.NetworkSettings.Networks.open.MacAddress}}", "heir").text
        )
        until(
            lambda: prey.docker("exec", "mallory", "ping", "-c1", "-W1", "172.30.0.9", check=False).code == 0
        )
        prey.docker("rm", "-f", "heir")
    assert seen[0] != seen[1]


def test_s11_arp_what_a_container_claims_stays_on_its_own_bridge(prey):
    """Within its bridge it is believed, as in Docker; the host's other networks never hear of it."""
    mac = prey.inside_net("mallory", "ip", "-br", "link", "show", "dev", "eth0").split()[2]
    for address in ("172.31.0.2", "172.31.0.1", "10.0.0.9"):
        prey.attack("mallory", "claim", "eth0", address)
    assert mac not in prey.inside_net("stranger", "ip", "neigh")
    assert mac not in prey.lab.run("lan", "ip", "neigh").text
    found = [line for line in prey.host("ip", "-4", "neigh").lines if mac in line]
    assert all(line.split()[0].startswith("172.30.0.") for line in found)


def test_s11_arp_without_net_raw_there_are_no_false_frames(prey):
    """The remedy within one bridge: a container that may not make raw sockets cannot claim anything."""
    claim = ("arping", "-U", "-c1", "-w1", "-I", "eth0", "172.30.0.1")
    run = ("run", "--rm", "--network=open")
    prey.docker(*run, "busybox", *claim, check=False)
    answer = prey.docker(*run, "--cap-drop=NET_RAW", "busybox", *claim, check=False)
    assert answer.code != 0
    assert "peration not permitted" in answer.both


def test_s12_link_local_neighbours_are_not_translated(prey):
    """What comes from fe80:: meets the proxy, or nobody: behind a translation it would have no way back."""
    text = prey.host("ip", "-6", "addr", "show", "dev", "eth0", "scope", "link").text
    address = text.split("inet6 ")[1].split("/")[0]
    assert prey.ask("lan", f"http://[{address}%25eth0]:8080/") == prey.proxy
    assert not prey.ask("lan", f"http://[{address}%25eth0]:8090/")


def test_s13_nobody_takes_a_published_port(prey):
    take = "import socket, sys; socket.create_server(('', 8080), family=int(sys.argv[1]), reuse_port=True)"
    for family in ("2", "10"):
        refused = prey.host(sys.executable, "-c", take, family, check=False)
        assert refused.code != 0 and "in use" in refused.err


def test_s14_no_connection_is_taken_before_there_is_somebody_to_answer_it(prey):
    """Who connects all the time while a container starts is refused, then answered, and never cut off."""
    with ThreadPoolExecutor(1) as aside:
        attack = aside.submit(prey.attack, "lan", "hammer", HOST, "8070", "5")
        time.sleep(0.1)
        prey.docker("run", "-d", "--name=brief", "-p", "8070:80", "busybox", "httpd", "-f")
    prey.docker("rm", "-f", "brief")
    seen = dict(word.split("=") for word in attack.result().split())
    assert "cut" not in seen, seen
    assert seen["answered"] == "1", seen
    assert int(seen["refused"]) > 10, seen


def test_s15_39439_the_host_goes_on_forwarding_for_others(prey):
    """The policy of FORWARD is what it was before the daemon came."""
    assert "-P FORWARD ACCEPT" in prey.host("iptables", "-S", "FORWARD").lines
