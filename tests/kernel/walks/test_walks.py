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

import socket
import struct
import time
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from linkspan.blueprint.facts import (
    DirectAccessDrop,
    Fence,
    LinkedContainers,
    LoopbackOnly,
    Masquerade,
)

HOST, LAN, UPLINK, INTERNET = "10.0.0.5", "10.0.0.9", "198.51.100.1", "198.51.100.9"
C1, C2, D, E = "172.18.0.2", "172.18.0.3", "172.19.0.2", "172.19.0.3"
GATEWAY2 = "172.19.0.1"
ANY = ip_address("0.0.0.0")
DROPPED = pytest.raises(TimeoutError)
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


def test_walk_1_same_network(world: Any) -> None:
    c2 = world.container(C2, "br1")
    c2.serve(80)
    assert world.c1.ask(C2, 80) == f"{C1} 80"


def test_walk_1_without_icc_the_bridge_is_cut_but_for_links(bare: Any) -> None:
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


def test_walk_2_another_networks_container_is_out_of_reach(world: Any) -> None:
    for port in (80, 81):
        with DROPPED:
            world.c1.ask(D, port, timeout=0.3)
    world.remove(DirectAccessDrop(ip_address(D), "br2"))
    with DROPPED:
        world.c1.ask(D, 81, timeout=0.3)
    assert world.seen == []


def test_walk_2_to_a_routed_network_published_ports_are_open(bare: Any) -> None:
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


def test_walk_3_out_to_the_internet_behind_the_hosts_address(world: Any) -> None:
    world.internet.serve(80)
    world.internet.serve(80, kind=DATAGRAM)
    assert world.c1.ask(INTERNET, 80) == f"{UPLINK} 80"
    assert world.c1.ask(INTERNET, 80, kind=DATAGRAM) == f"{UPLINK} 80"
    assert world.d.ask(INTERNET, 80) == f"{UPLINK} 80"


def test_walk_3_with_a_given_source_address(bare: Any) -> None:
    bare.host.run("ip address add 198.51.100.7/24 dev wan0")
    subnet = ip_network("172.18.0.0/16")
    bare.add(Fence("br1", subnet), Masquerade(subnet, "br1", source=ip_address("198.51.100.7")))
    bare.internet.serve(80)
    assert bare.container(C1, "br1").ask(INTERNET, 80) == "198.51.100.7 80"


def test_walks_3_and_4_do_not_need_forwards_policy(world: Any) -> None:
    """With nftables a policy of iptables counts all the same: it is told then, and its remedy helps."""
    world.internet.serve(80)
    program = "iptables" if world.backend == "nftables" else world.backend
    world.host.run(f"{program} -P FORWARD DROP")
    told = world.host.call(world.firewall.obstacles)
    if world.backend == "nftables":
        assert len(told) == 1 and "`iptables -I FORWARD -i BRIDGE -j ACCEPT`" in told[0]
        for bridge in ("br1", "br2"):
            for way in ("-i", "-o"):
                world.host.run(f"iptables -I FORWARD {way} {bridge} -j ACCEPT")
        told = world.host.call(world.firewall.obstacles)
    assert told == []
    assert world.c1.ask(INTERNET, 80) == f"{UPLINK} 80"
    assert world.lan.ask(HOST, 8080) == f"{LAN} 80"


def test_walk_4_a_lan_client_is_seen_by_its_own_address(world: Any) -> None:
    assert world.lan.ask(HOST, 8080) == f"{LAN} 80"
    assert world.lan.ask(HOST, 8080, kind=DATAGRAM) == f"{LAN} 80"
    assert world.internet.ask(UPLINK, 8080) == f"{INTERNET} 80"
    world.remove(world.published)
    with pytest.raises(ConnectionRefusedError):
        world.lan.ask(HOST, 8080)


def test_walk_4_the_users_chain_has_the_first_word(world: Any) -> None:
    world.command(
        f"-I DOCKER-USER -i eth0 -s {LAN} -j DROP",
        f"add rule ip linkspan user iifname eth0 ip saddr {LAN} drop",
    )
    with DROPPED:
        world.lan.ask(HOST, 8080, timeout=0.3)
    assert world.internet.ask(UPLINK, 8080) == f"{INTERNET} 80"


def test_walk_4_published_on_one_host_address(bare: Any) -> None:
    bare.network("br2", "172.19.0.0/16")
    bare.container(D, "br2").serve(80)
    bare.publish(host_address=HOST)
    assert bare.lan.ask(HOST, 8080) == f"{LAN} 80"
    with pytest.raises(ConnectionRefusedError):
        bare.internet.ask(UPLINK, 8080)


def test_walk_5_the_host_to_its_own_address(world: Any) -> None:
    source = HOST if world.proxy else GATEWAY2
    assert world.host.ask(HOST, 8080) == f"{source} 80"


def test_walk_6_the_host_to_loopback(world: Any) -> None:
    """Without the proxy it is translated; with it, it is left to the proxy's socket."""
    if world.proxy:
        world.host.serve(8080)
        assert world.host.ask("127.0.0.1", 8080) == "127.0.0.1 8080"
    else:
        assert world.host.ask("127.0.0.1", 8080) == f"{GATEWAY2} 80"


@pytest.mark.parametrize("address", [HOST, GATEWAY2])
def test_walk_7_to_its_own_published_port(world: Any, address: str) -> None:
    if world.proxy:
        world.host.serve(8080)
        assert world.d.ask(address, 8080) == f"{D} 8080"
    else:
        assert world.d.ask(address, 8080) == f"{GATEWAY2} 80"


def test_walk_8_to_a_peers_published_port(world: Any) -> None:
    e = world.container(E, "br2")
    if world.proxy:
        world.host.serve(8080)
        assert e.ask(HOST, 8080) == f"{E} 8080"
    else:
        assert e.ask(HOST, 8080) == f"{GATEWAY2} 80"


def test_walk_9_to_a_published_port_of_another_network(world: Any) -> None:
    if world.proxy:
        world.host.serve(8080)
        assert world.c1.ask(HOST, 8080) == f"{C1} 8080"
    else:
        assert world.c1.ask(HOST, 8080) == f"{GATEWAY2} 80"


def test_walk_10_direct_routing_is_dropped(world: Any) -> None:
    for port in (80, 81):
        with DROPPED:
            world.lan.ask(D, port, timeout=0.3)
    assert world.seen == []


def test_walk_10_where_direct_routing_is_allowed_only_published_ports_are_open(world: Any) -> None:
    world.remove(DirectAccessDrop(ip_address(D), "br2"))
    assert world.lan.ask(D, 80) == f"{LAN} 80"
    with DROPPED:
        world.lan.ask(D, 81, timeout=0.3)


def test_walk_10_from_a_trusted_link(world: Any) -> None:
    world.remove(DirectAccessDrop(ip_address(D), "br2"))
    world.add(DirectAccessDrop(ip_address(D), "br2", trusted=("eth0",)))
    world.internet.run("ip route add 172.16.0.0/12 via 198.51.100.1")
    assert world.lan.ask(D, 80) == f"{LAN} 80"
    with DROPPED:
        world.internet.ask(D, 80, timeout=0.3)


def test_walk_10_to_a_nat_unprotected_network(bare: Any) -> None:
    bare.network("br2", "172.19.0.0/16", gateway_mode="nat-unprotected")
    bare.container(D, "br2", drop=False).serve(80, 81)
    bare.publish()
    assert bare.lan.ask(D, 81) == f"{LAN} 81"
    assert bare.lan.ask(HOST, 8080) == f"{LAN} 80"


def test_walk_10_with_an_accepted_mark(marked: Any, backend: str) -> None:
    marked.network("br2", "172.19.0.0/16")
    marked.container(D, "br2", drop=False).serve(81)
    with DROPPED:
        marked.lan.ask(D, 81, timeout=0.3)
    program = "iptables-nft" if backend == "nftables" else backend
    marked.host.run(f"{program} -t mangle -A PREROUTING -i eth0 -j MARK --set-mark 3")
    assert marked.lan.ask(D, 81) == f"{LAN} 81"


def test_walk_11_a_forged_loopback_packet(bare: Any) -> None:
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


def test_walk_13_an_internal_network(bare: Any) -> None:
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


def test_the_order_of_networks_and_ports_does_not_matter(bare: Any) -> None:
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


def _forge(world: Any, destination: str, port: int) -> None:
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
