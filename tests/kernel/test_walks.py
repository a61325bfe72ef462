"""Packet walks with real packets, numbered as in Docker's own list: who reaches whom, and by what address.

The same matrix runs on every backend, with and without the userland proxy.

    internet 198.51.100.9 ── wan0 ┐        ┌ br1 172.18.0.1 ── c1 .2, c2 .3
                                  ├─ host ─┤
    lan 10.0.0.9 ─────────── eth0 ┘        └ br2 172.19.0.1 ── d .2 (publishes 8080 -> 80), e .3

With the userland proxy, some walks end at its socket on the host. A plain listener stands in its place here:
that a packet gets there is the firewall's work; what the proxy makes of it is tested with the proxy, and both
together in the end-to-end tests (walk 6 with the proxy, too). Walk 12 is the resolver's.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import pytest

from linkspan.blueprint.facts import (
    DirectAccessDrop,
    Fact,
    Fence,
    LinkedContainers,
    LoopbackOnly,
    Masquerade,
    Publish,
    SkipOwnBridge,
)
from linkspan.firewall.backend import Firewall
from linkspan.firewall.iptables import IptablesFirewall
from linkspan.firewall.nftables import NftablesFirewall

HOST, LAN, UPLINK, INTERNET = "10.0.0.5", "10.0.0.9", "198.51.100.1", "198.51.100.9"
C1, C2, D, E = "172.18.0.2", "172.18.0.3", "172.19.0.2", "172.19.0.3"
GATEWAY2 = "172.19.0.1"
ANY = ip_address("0.0.0.0")
DROPPED = pytest.raises(TimeoutError)
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


@dataclass
class World:
    """The topology with two networks on it, and a firewall that is started."""

    topology: object
    backend: str
    proxy: bool
    accept_mark: str = ""
    firewall: Firewall = field(init=False)

    def __post_init__(self) -> None:
        self.host, self.lan = self.topology.host, self.topology.lan
        self.internet = self.topology.internet
        self.topology.bridge("br1", "172.18.0.1/16")
        self.topology.bridge("br2", "172.19.0.1/16")
        self.host.sysctl("net/bridge/bridge-nf-call-iptables", int(not self.proxy))
        if not self.proxy:
            for link in ("br1", "br2"):
                self.host.sysctl(f"net/ipv4/conf/{link}/route_localnet", 1)
        options = {"userland_proxy": self.proxy, "accept_mark": self.accept_mark}
        if self.backend == "nftables":
            self.firewall = NftablesFirewall(**options)
        else:
            self.firewall = IptablesFirewall(self.backend, **options)
        self.host.call(self.firewall.start)

    def close(self) -> None:
        """Give up the connections that would keep the namespace alive."""
        if isinstance(self.firewall, NftablesFirewall):
            self.firewall.close()

    def command(self, iptables: str, nft: str) -> None:
        """Do the same by hand with the program that belongs to the backend."""
        self.host.run(f"nft {nft}" if self.backend == "nftables" else f"{self.backend} {iptables}")

    def add(self, *facts: Fact) -> None:
        self.host.call(self.firewall.add, facts)

    def remove(self, *facts: Fact) -> None:
        self.host.call(self.firewall.remove, facts)

    def network(self, bridge: str, subnet: str, **fence: object) -> None:
        """The facts of a network, as a driver would give them."""
        facts: list[Fact] = [Fence(bridge, ip_network(subnet), **fence)]
        if fence.get("gateway_mode") != "routed" and not fence.get("internal"):
            facts.append(Masquerade(ip_network(subnet), bridge, from_host=not self.proxy))
            facts += [SkipOwnBridge(bridge)] if self.proxy else []
        self.add(*facts)

    def container(self, address: str, bridge: str, *, drop: bool = True):
        """A container and the fact that goes with every endpoint of a nat network."""
        inside = self.topology.container(
            bridge, f"{address}/16", ".".join([*address.split(".")[:3], "1"]), hairpin=not self.proxy
        )
        if drop:
            self.add(DirectAccessDrop(ip_address(address), bridge))
        return inside

    def publish(self, protocol: str = "tcp", host_address: str = "0.0.0.0", **options: object) -> Publish:
        fact = Publish(
            protocol,
            ip_address(host_address),
            8080,
            ip_address(D),
            80,
            "br2",
            own_bridge=not self.proxy,
            **options,
        )
        self.add(fact)
        return fact


def _name(setting: tuple[str, bool]) -> str:
    return f"{setting[0]}-{'proxy' if setting[1] else 'noproxy'}"


BACKENDS = ("iptables-nft", "iptables-legacy", "nftables")


@pytest.fixture(params=[(backend, proxy) for backend in BACKENDS for proxy in (True, False)], ids=_name)
def bare(request, topology) -> Iterator[World]:
    with contextlib.closing(World(topology, *request.param)) as made:
        yield made


@pytest.fixture
def world(bare: World) -> Iterator[World]:
    """Two nat networks; d serves 80 (published as 8080) and 81 (not published), TCP and UDP."""
    bare.network("br1", "172.18.0.0/16")
    bare.network("br2", "172.19.0.0/16")
    bare.c1 = bare.container(C1, "br1")
    bare.d = bare.container(D, "br2")
    bare.seen = bare.d.serve(80, 81)
    bare.d.serve(80, kind=DATAGRAM)
    bare.published = bare.publish()
    bare.publish("udp")
    yield bare


def test_walk_1_same_network(world: World) -> None:
    c2 = world.container(C2, "br1")
    c2.serve(80)
    assert world.c1.ask(C2, 80) == f"{C1} 80"


def test_walk_1_without_icc_the_bridge_is_cut_but_for_links(bare: World) -> None:
    bare.host.sysctl("net/bridge/bridge-nf-call-iptables", 1)
    bare.network("br1", "172.18.0.0/16", icc=False)
    c1, c2 = bare.container(C1, "br1"), bare.container(C2, "br1")
    c2.serve(80, 81)
    bare.internet.serve(80)
    with DROPPED:
        c1.ask(C2, 80, timeout=0.3)
    bare.add(LinkedContainers(ip_address(C1), ip_address(C2), "tcp", 80, "br1"))
    assert c1.ask(C2, 80) == f"{C1} 80"
    with DROPPED:
        c1.ask(C2, 81, timeout=0.3)
    assert c1.ask(INTERNET, 80) == f"{UPLINK} 80"


def test_walk_2_another_networks_container_is_out_of_reach(world: World) -> None:
    for port in (80, 81):
        with DROPPED:
            world.c1.ask(D, port, timeout=0.3)
    world.remove(DirectAccessDrop(ip_address(D), "br2"))
    with DROPPED:
        world.c1.ask(D, 81, timeout=0.3)
    assert world.seen == []


def test_walk_2_to_a_routed_network_published_ports_are_open(bare: World) -> None:
    bare.network("br1", "172.18.0.0/16")
    bare.network("br2", "172.19.0.0/16", gateway_mode="routed")
    c1, d = bare.container(C1, "br1"), bare.container(D, "br2", drop=False)
    d.serve(80, 81)
    bare.publish(nat=False)
    assert c1.ask(D, 80) == f"{GATEWAY2} 80"
    assert bare.lan.ask(D, 80) == f"{LAN} 80"
    c1.run(f"ping -c 1 -W 1 {D}")
    for client in (c1, bare.lan):
        with DROPPED:
            client.ask(D, 81, timeout=0.3)
    with pytest.raises(ConnectionRefusedError):
        bare.lan.ask(HOST, 8080)


def test_walk_3_out_to_the_internet_behind_the_hosts_address(world: World) -> None:
    world.internet.serve(80)
    world.internet.serve(80, kind=DATAGRAM)
    assert world.c1.ask(INTERNET, 80) == f"{UPLINK} 80"
    assert world.c1.ask(INTERNET, 80, kind=DATAGRAM) == f"{UPLINK} 80"
    assert world.d.ask(INTERNET, 80) == f"{UPLINK} 80"


def test_walk_3_with_a_given_source_address(bare: World) -> None:
    bare.host.run("ip address add 198.51.100.7/24 dev wan0")
    subnet = ip_network("172.18.0.0/16")
    bare.add(Fence("br1", subnet), Masquerade(subnet, "br1", source=ip_address("198.51.100.7")))
    bare.internet.serve(80)
    assert bare.container(C1, "br1").ask(INTERNET, 80) == "198.51.100.7 80"


def test_walks_3_and_4_do_not_need_forwards_policy(world: World) -> None:
    if world.backend == "nftables":
        pytest.skip("another table's drop counts whatever ours says: see test_obstacles.py")
    world.host.run(f"{world.backend} -P FORWARD DROP")
    world.internet.serve(80)
    assert world.c1.ask(INTERNET, 80) == f"{UPLINK} 80"
    assert world.lan.ask(HOST, 8080) == f"{LAN} 80"


def test_walk_4_a_lan_client_is_seen_by_its_own_address(world: World) -> None:
    assert world.lan.ask(HOST, 8080) == f"{LAN} 80"
    assert world.lan.ask(HOST, 8080, kind=DATAGRAM) == f"{LAN} 80"
    assert world.internet.ask(UPLINK, 8080) == f"{INTERNET} 80"
    world.remove(world.published)
    with pytest.raises(ConnectionRefusedError):
        world.lan.ask(HOST, 8080)


def test_walk_4_the_users_chain_has_the_first_word(world: World) -> None:
    world.command(
        f"-I DOCKER-USER -i eth0 -s {LAN} -j DROP",
        f"add rule ip linkspan user iifname eth0 ip saddr {LAN} drop",
    )
    with DROPPED:
        world.lan.ask(HOST, 8080, timeout=0.3)
    assert world.internet.ask(UPLINK, 8080) == f"{INTERNET} 80"


def test_walk_4_published_on_one_host_address(bare: World) -> None:
    bare.network("br2", "172.19.0.0/16")
    bare.container(D, "br2").serve(80)
    bare.publish(host_address=HOST)
    assert bare.lan.ask(HOST, 8080) == f"{LAN} 80"
    with pytest.raises(ConnectionRefusedError):
        bare.internet.ask(UPLINK, 8080)


def test_walk_5_the_host_to_its_own_address(world: World) -> None:
    source = HOST if world.proxy else GATEWAY2
    assert world.host.ask(HOST, 8080) == f"{source} 80"


def test_walk_6_the_host_to_loopback(world: World) -> None:
    """Without the proxy it is translated; with it, it is left to the proxy's socket."""
    if world.proxy:
        world.host.serve(8080)
        assert world.host.ask("127.0.0.1", 8080) == "127.0.0.1 8080"
    else:
        assert world.host.ask("127.0.0.1", 8080) == f"{GATEWAY2} 80"


@pytest.mark.parametrize("address", [HOST, GATEWAY2])
def test_walk_7_to_its_own_published_port(world: World, address: str) -> None:
    if world.proxy:
        world.host.serve(8080)
        assert world.d.ask(address, 8080) == f"{D} 8080"
    else:
        assert world.d.ask(address, 8080) == f"{GATEWAY2} 80"


def test_walk_8_to_a_peers_published_port(world: World) -> None:
    e = world.container(E, "br2")
    if world.proxy:
        world.host.serve(8080)
        assert e.ask(HOST, 8080) == f"{E} 8080"
    else:
        assert e.ask(HOST, 8080) == f"{E} 80"


def test_walk_9_to_a_published_port_of_another_network(world: World) -> None:
    if world.proxy:
        world.host.serve(8080)
        assert world.c1.ask(HOST, 8080) == f"{C1} 8080"
    else:
        assert world.c1.ask(HOST, 8080) == f"{GATEWAY2} 80"


def test_walk_10_direct_routing_is_dropped(world: World) -> None:
    for port in (80, 81):
        with DROPPED:
            world.lan.ask(D, port, timeout=0.3)
    assert world.seen == []


def test_walk_10_where_direct_routing_is_allowed_only_published_ports_are_open(world: World) -> None:
    world.remove(DirectAccessDrop(ip_address(D), "br2"))
    assert world.lan.ask(D, 80) == f"{LAN} 80"
    with DROPPED:
        world.lan.ask(D, 81, timeout=0.3)


def test_walk_10_from_a_trusted_link(world: World) -> None:
    world.remove(DirectAccessDrop(ip_address(D), "br2"))
    world.add(DirectAccessDrop(ip_address(D), "br2", trusted=("eth0",)))
    world.internet.run("ip route add 172.16.0.0/12 via 198.51.100.1")
    assert world.lan.ask(D, 80) == f"{LAN} 80"
    with DROPPED:
        world.internet.ask(D, 80, timeout=0.3)


def test_walk_10_to_a_nat_unprotected_network(bare: World) -> None:
    bare.network("br2", "172.19.0.0/16", gateway_mode="nat-unprotected")
    bare.container(D, "br2", drop=False).serve(80, 81)
    bare.publish()
    assert bare.lan.ask(D, 81) == f"{LAN} 81"
    assert bare.lan.ask(HOST, 8080) == f"{LAN} 80"


@pytest.mark.parametrize("backend", BACKENDS)
def test_walk_10_with_an_accepted_mark(topology, backend: str) -> None:
    with contextlib.closing(World(topology, backend, proxy=True, accept_mark="0x1/0x1")) as world:
        world.network("br2", "172.19.0.0/16")
        world.container(D, "br2", drop=False).serve(81)
        with DROPPED:
            world.lan.ask(D, 81, timeout=0.3)
        program = "iptables-nft" if backend == "nftables" else backend
        world.host.run(f"{program} -t mangle -A PREROUTING -i eth0 -j MARK --set-mark 3")
        assert world.lan.ask(D, 81) == f"{LAN} 81"


def test_walk_11_a_forged_loopback_packet(bare: World) -> None:
    """Even where the kernel would take it (route_localnet), only lo may bring such a packet."""
    bare.network("br2", "172.19.0.0/16")
    d = bare.container(D, "br2")
    seen = d.serve(80, kind=DATAGRAM)
    bare.host.sysctl("net/ipv4/conf/eth0/route_localnet", 1)
    bare.host.sysctl("net/ipv4/conf/all/rp_filter", 0)
    guard = LoopbackOnly("udp", ip_address("127.0.0.1"), 8080)
    bare.add(guard)
    bare.publish("udp", "127.0.0.1")
    _forge(bare, "127.0.0.1", 8080)
    time.sleep(0.2)
    assert seen == []
    bare.remove(guard)
    _forge(bare, "127.0.0.1", 8080)
    deadline = time.monotonic() + 2
    while not seen and time.monotonic() < deadline:
        time.sleep(0.01)
    assert seen == [LAN]


def test_walk_13_an_internal_network(bare: World) -> None:
    bare.network("br1", "172.18.0.0/16")
    bare.network("br2", "172.19.0.0/16", internal=True)
    c1 = bare.container(C1, "br1")
    d = bare.container(D, "br2", drop=False)
    e = bare.container(E, "br2", drop=False)
    for server in (d, bare.host, bare.internet, c1):
        server.serve(80)
    for address in (INTERNET, C1, LAN):
        with DROPPED:
            d.ask(address, 80, timeout=0.3)
    for client in (bare.lan, c1):
        with DROPPED:
            client.ask(D, 80, timeout=0.3)
    assert bare.host.ask(D, 80) == f"{GATEWAY2} 80"
    assert d.ask(GATEWAY2, 80) == f"{D} 80"
    assert e.ask(D, 80) == f"{E} 80"


@pytest.mark.parametrize("kind", [STREAM, DATAGRAM])
def test_every_port_of_a_shifted_range(bare: World, kind: int) -> None:
    """One rule; its base is no multiple of its size, so that a port's offset cannot come out by luck."""
    first, inner, count = 8003, 9000, 40
    bare.network("br2", "172.19.0.0/16")
    bare.container(D, "br2").serve(*range(inner - 1, inner + count + 1), kind=kind)
    protocol = "tcp" if kind == STREAM else "udp"
    bare.add(Publish(protocol, ANY, first, ip_address(D), inner, "br2", count=count))
    answers = [bare.lan.ask(HOST, first + offset, kind=kind) for offset in range(count)]
    assert answers == [f"{LAN} {inner + offset}" for offset in range(count)]
    for outside in (first - 1, first + count):
        with pytest.raises(ConnectionRefusedError):
            bare.lan.ask(HOST, outside, kind=kind)


def test_the_order_of_networks_and_ports_does_not_matter(bare: World) -> None:
    """Ports before their network, the client's network last, and one network in between come and gone."""
    d = bare.container(D, "br2")
    d.serve(80, 81)
    bare.publish()
    bare.network("br9", "172.29.0.0/16", icc=False)
    bare.network("br2", "172.19.0.0/16")
    bare.remove(Fence("br9", ip_network("172.29.0.0/16"), icc=False))
    bare.network("br1", "172.18.0.0/16")
    c1 = bare.container(C1, "br1")
    bare.host.serve(8080)
    assert bare.lan.ask(HOST, 8080) == f"{LAN} 80"
    assert c1.ask(HOST, 8080) == (f"{C1} 8080" if bare.proxy else f"{GATEWAY2} 80")
    bare.remove(DirectAccessDrop(ip_address(D), "br2"))
    for client in (c1, bare.lan):
        with DROPPED:
            client.ask(D, 81, timeout=0.3)


def test_ipv6_in_out_and_across(bare: World) -> None:
    """The bridge needs fe80::1, as Docker gives it: no neighbour is asked from a tentative address."""
    for key in ("all", "default"):
        bare.host.sysctl(f"net/ipv6/conf/{key}/forwarding", 1)
    bare.host.run("ip address add fd10::5/64 dev eth0 nodad", "ip address add fd20::1/64 dev wan0 nodad")
    for address in ("fe80::1/64", "fd19::1/64"):
        bare.host.run(f"ip address add {address} dev br2 nodad")
    bare.lan.run("ip address add fd10::9/64 dev eth0 nodad", "ip route add fd19::/64 via fd10::5")
    bare.internet.run("ip address add fd20::9/64 dev eth0 nodad")
    d = bare.topology.container("br2", "fd19::2/64", "fd19::1")
    d.serve(80, 81, family=socket.AF_INET6)
    bare.internet.serve(80, family=socket.AF_INET6)
    subnet, address = ip_network("fd19::/64"), ip_address("fd19::2")
    bare.add(
        Masquerade(subnet, "br2"),
        Fence("br2", subnet),
        DirectAccessDrop(address, "br2"),
        Publish("tcp", ip_address("::"), 8080, address, 80, "br2"),
    )
    assert bare.lan.ask("fd10::5", 8080) == "fd10::9 80"
    assert d.ask("fd20::9", 80) == "fd20::1 80"
    for port in (80, 81):
        with DROPPED:
            bare.lan.ask("fd19::2", port, timeout=0.3)


def _forge(world: World, destination: str, port: int) -> None:
    """Send, on the LAN's wire, a UDP datagram for `destination` to the host's MAC address."""
    links = [place.run("ip -o link show eth0") for place in (world.host, world.lan)]
    macs = [bytes.fromhex(link.split("link/ether ")[1].split()[0].replace(":", "")) for link in links]
    udp = struct.pack("!HHHH", 5555, port, 9, 0) + b"!"
    header = struct.pack(
        "!BBHHHBBH4s4s",
        *(0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP, 0),
        socket.inet_aton(LAN),
        socket.inet_aton(destination),
    )
    header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
    with world.lan.open(socket.SOCK_RAW, socket.AF_PACKET, socket.htons(0x0800)) as wire:
        wire.bind(("eth0", 0))
        wire.send(b"".join(macs) + b"\x08\x00" + header + udp)


def _checksum(header: bytes) -> int:
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
