"""The walks in IPv6, on every backend."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from linkspan.blueprint.facts import DirectAccessDrop, Fence, Masquerade, Publish

DROPPED = pytest.raises(TimeoutError)
D, E, ADDRESS, SUBNET = "fd19::2", "fd19::3", ip_address("fd19::2"), ip_network("fd19::/64")
HOST, LAN, UPLINK, INTERNET = "fd10::5", "fd10::9", "fd20::1", "fd20::9"


@pytest.fixture
def six(bare: Any) -> Any:
    """br2 with d on it, which serves 80 and 81.

    The bridge needs fe80::1, as Docker gives it, and the uplink something like it: for a forwarded packet no
    neighbour is asked from a tentative address.
    """
    for key in ("all", "default"):
        bare.host.sysctl(f"net/ipv6/conf/{key}/forwarding", 1)
    for link, address in (("eth0", HOST), ("wan0", UPLINK), ("br2", "fd19::1")):
        bare.host.run(
            f"ip address add {address}/64 dev {link} nodad", f"ip address add fe80::1/64 dev {link} nodad"
        )
    bare.lan.run(f"ip address add {LAN}/64 dev eth0 nodad", f"ip route add fd19::/64 via {HOST}")
    bare.internet.run(f"ip address add {INTERNET}/64 dev eth0 nodad", f"ip route add fd19::/64 via {UPLINK}")
    bare.internet.serve(80, family=socket.AF_INET6)
    bare.d = bare.topology.container("br2", f"{D}/64", "fd19::1", hairpin=not bare.proxy)
    bare.d.serve(80, 81, family=socket.AF_INET6)
    return bare


def test_in_out_and_across(six: Any) -> None:
    six.network("br2", "fd19::/64")
    six.add(DirectAccessDrop(ADDRESS, "br2"), Publish("tcp", ip_address("::"), 8080, ADDRESS, 80, "br2"))
    assert six.lan.ask(HOST, 8080) == f"{LAN} 80"
    assert six.d.ask(INTERNET, 80) == f"{UPLINK} 80"
    for port in (80, 81):
        with DROPPED:
            six.lan.ask(D, port, timeout=0.3)


def test_a_range_on_one_host_address(six: Any) -> None:
    six.network("br2", "fd19::/64")
    six.add(Publish("tcp", ip_address(HOST), 80, ADDRESS, 80, "br2", count=2))
    assert six.lan.ask(HOST, 81) == f"{LAN} 81"
    with pytest.raises(ConnectionRefusedError):
        six.internet.ask(UPLINK, 81)


def test_a_given_source_address(six: Any) -> None:
    six.host.run("ip address add fd20::7/64 dev wan0 nodad")
    six.add(Fence("br2", SUBNET), Masquerade(SUBNET, "br2", source=ip_address("fd20::7")))
    assert six.d.ask(INTERNET, 80) == "fd20::7 80"


def test_a_routed_network(six: Any) -> None:
    six.network("br2", "fd19::/64", gateway_mode="routed")
    six.add(Publish("tcp", ip_address("::"), 0, ADDRESS, 80, "br2", nat=False))
    assert six.lan.ask(D, 80) == f"{LAN} 80"
    assert six.d.ask(INTERNET, 80) == f"{D} 80"
    six.lan.run(f"ping -6 -c 1 -W 1 {D}")
    with DROPPED:
        six.lan.ask(D, 81, timeout=0.3)


def test_an_internal_network(six: Any) -> None:
    six.network("br2", "fd19::/64", internal=True)
    e = six.topology.container("br2", f"{E}/64", "fd19::1")
    assert e.ask(D, 80) == f"{E} 80"
    with DROPPED:
        six.d.ask(INTERNET, 80, timeout=0.3)
    for client in (six.lan, six.internet):
        with DROPPED:
            client.ask(D, 80, timeout=0.3)
