"""Unsolicited ARP and neighbour advertisements on the wire: what the neighbours of a new interface hear."""

from __future__ import annotations

import socket
import struct
import time
from ipaddress import ip_address, ip_interface

import pytest

from linkspan.blueprint.announcements import Announcement
from linkspan.blueprint.parts import Address, Bridge, VethPair
from linkspan.kernel.host import HostKernel

MAC = "02:00:00:00:00:07"
V4, V6 = ip_interface("172.30.0.2/24"), ip_interface("fd00:30::2/64")
ALL = 0x0003


@pytest.fixture
def wire(topology, tmp_path):
    """A kernel, a new sandbox on a bridge, and a neighbour's raw socket that hears what passes."""
    kernel = topology.host.call(HostKernel)
    new, neighbour = tmp_path / "new", tmp_path / "neighbour"
    for path in (new, neighbour):
        topology.host.call(kernel.create_sandbox, path)
    parts = [
        Bridge("br0"),
        VethPair("veth1", "eth0", str(neighbour), "br0"),
        VethPair("veth0", "eth0", str(new), "br0", mac=MAC),
        *(Address("eth0", interface, str(new)) for interface in (V4, V6)),
    ]
    topology.host.call(kernel.apply, parts)
    ear = kernel.in_sandbox(
        str(neighbour), lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
    )
    ear.bind(("eth0", ALL))
    with ear:
        yield kernel, str(new), ear
    kernel.close()
    for path in (new, neighbour):
        kernel.remove_sandbox(path)


def heard(ear: socket.socket, seconds: float) -> tuple[list[float], list[float]]:
    """Return when ARP announcements and neighbour advertisements of the new interface came, in s."""
    mac = bytes.fromhex(MAC.replace(":", ""))
    start = time.monotonic()
    arps, advertisements = [], []
    while (left := start + seconds - time.monotonic()) > 0:
        ear.settimeout(left)
        try:
            frame = ear.recv(2000)
        except TimeoutError:
            break
        kind = struct.unpack("!H", frame[12:14])[0]
        if kind == 0x0806 and frame[6:12] == mac:
            assert frame[:6] == b"\xff" * 6
            assert frame[28:32] == frame[38:42] == V4.ip.packed  # both the sender's and the target's
            arps.append(time.monotonic() - start)
        elif kind == 0x86DD and frame[20] == 58 and frame[54] == 136 and frame[62:78] == V6.ip.packed:
            assert frame[21] == 255 and frame[58] & 0x20 and frame[80:86] == mac
            assert frame[38:54] == ip_address("ff02::1").packed and frame[22:38] == V6.ip.packed
            advertisements.append(time.monotonic() - start)
    return arps, advertisements


def test_the_first_message_comes_at_once_and_the_others_in_their_interval(wire):
    kernel, sandbox, ear = wire
    before = time.monotonic()
    kernel.announce([Announcement(sandbox, "eth0", MAC, (V4.ip, V6.ip), 3, 0.15)])
    assert time.monotonic() - before < 0.1
    arps, advertisements = heard(ear, 0.6)
    for times in (arps, advertisements):
        assert len(times) == 3
        assert times[0] < 0.1 and 0.1 < times[2] - times[1] < 0.3


def test_none_are_sent_when_none_are_wanted(wire):
    kernel, sandbox, ear = wire
    kernel.announce([Announcement(sandbox, "eth0", MAC, (V4.ip, V6.ip), 0)])
    assert heard(ear, 0.2) == ([], [])


def test_a_sandbox_that_has_gone_stops_nobody_else(wire, tmp_path):
    kernel, sandbox, ear = wire
    kernel.announce([Announcement(str(tmp_path / "gone"), "eth0", MAC, (V4.ip,))])
    kernel.announce([Announcement(sandbox, "eth0", MAC, (V4.ip,), 1)])
    assert len(heard(ear, 0.2)[0]) == 1


def test_routes_of_router_advertisements_outlive_forwarding(topology):
    topology.host.run("ip -6 route add default via fe80::99 dev eth0 proto ra")
    kernel = topology.host.call(HostKernel)
    try:
        assert topology.host.run("sysctl -n net.ipv6.conf.wan0.accept_ra").strip() == "1"
        kernel.keep_advertised_routes()
        values = [
            topology.host.run(f"sysctl -n net.ipv6.conf.{n}.accept_ra").strip() for n in ("eth0", "wan0")
        ]
        assert values == ["2", "1"]
    finally:
        kernel.close()


def test_the_uplinks_mtu(topology):
    kernel = topology.host.call(HostKernel)
    try:
        assert kernel.uplink_mtu() == 0
        topology.host.run("ip link set wan0 mtu 1420", "ip route add default via 198.51.100.9")
        assert kernel.uplink_mtu() == 1420
    finally:
        kernel.close()
