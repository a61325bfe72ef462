"""Runs of ports on every backend, with a real connection to each port and to those beside them."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from linkspan.blueprint.facts import LoopbackOnly, Publish

HOST, LAN, UPLINK, INTERNET = "10.0.0.5", "10.0.0.9", "198.51.100.1", "198.51.100.9"
D = "172.19.0.2"
ANY = ip_address("0.0.0.0")
DROPPED = pytest.raises(TimeoutError)
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


@pytest.mark.parametrize("kind", [STREAM, DATAGRAM])
@pytest.mark.parametrize(("first", "inner", "count"), [(8003, 9000, 40), (8003, 8003, 40), (8000, 8010, 16)])
def test_every_port_of_a_range(bare: Any, kind: int, first: int, inner: int, count: int) -> None:
    """A base that is no multiple of the size, so that a port's offset cannot come out by luck."""
    bare.network("br2", "172.19.0.0/16")
    bare.container(D, "br2").serve(*range(inner - 1, inner + count + 1), kind=kind)
    protocol = "tcp" if kind == STREAM else "udp"
    run = Publish(protocol, ANY, first, ip_address(D), inner, "br2", count=count)
    bare.add(run)
    answers = [bare.lan.ask(HOST, first + offset, kind=kind) for offset in range(count)]
    assert answers == [f"{LAN} {inner + offset}" for offset in range(count)]
    outside = [first - 1, first + count]
    bare.remove(run)
    for port in [*outside, first, first + count - 1]:
        with pytest.raises(ConnectionRefusedError):
            bare.lan.ask(HOST, port, kind=kind)


def test_only_the_ports_of_a_range_are_open_to_direct_routing(bare: Any) -> None:
    bare.network("br2", "172.19.0.0/16")
    bare.container(D, "br2", drop=False).serve(8999, 9000, 9004, 9005)
    bare.add(Publish("tcp", ANY, 8000, ip_address(D), 9000, "br2", count=5))
    for port in (9000, 9004):
        assert bare.lan.ask(D, port) == f"{LAN} {port}"
    for port in (8999, 9005):
        with DROPPED:
            bare.lan.ask(D, port, timeout=0.3)


def test_a_range_on_one_host_address(bare: Any) -> None:
    bare.network("br2", "172.19.0.0/16")
    bare.container(D, "br2").serve(8000, 8001, 8002)
    bare.add(Publish("tcp", ip_address(HOST), 8000, ip_address(D), 8000, "br2", count=3))
    assert bare.lan.ask(HOST, 8002) == f"{LAN} 8002"
    with pytest.raises(ConnectionRefusedError):
        bare.internet.ask(UPLINK, 8002)


def test_ranges_of_endpoint_ports_that_overlap(bare: Any) -> None:
    """Two host addresses, and ports inside and outside of what both open; either may go first."""
    bare.network("br2", "172.19.0.0/16")
    bare.container(D, "br2", drop=False).serve(9000, 9003, 9004, 9009)
    wide = Publish("tcp", ip_address(HOST), 8000, ip_address(D), 9000, "br2", count=10)
    narrow = Publish("tcp", ip_address(UPLINK), 8000, ip_address(D), 9000, "br2", count=4)
    for first, second in ((wide, narrow), (narrow, wide)):
        bare.add(first)
        bare.add(second)
        assert bare.lan.ask(HOST, 8009) == f"{LAN} 9009"
        assert bare.internet.ask(UPLINK, 8003) == f"{INTERNET} 9003"
        with pytest.raises(ConnectionRefusedError):
            bare.internet.ask(UPLINK, 8004)
        bare.remove(first)
        assert bare.lan.ask(D, 9003) == f"{LAN} 9003"
        if second is narrow:
            with DROPPED:
                bare.lan.ask(D, 9004, timeout=0.3)
        bare.remove(second)
        with DROPPED:
            bare.lan.ask(D, 9000, timeout=0.3)


def test_a_range_published_for_the_host_itself(bare: Any) -> None:
    bare.network("br2", "172.19.0.0/16")
    bare.container(D, "br2").serve(8000, 8004)
    loopback = ip_address("127.0.0.1")
    bare.add(
        LoopbackOnly("tcp", loopback, 8000, 5),
        Publish("tcp", loopback, 8000, ip_address(D), 8000, "br2", count=5, own_bridge=not bare.proxy),
    )
    if bare.proxy:
        bare.host.serve(8004)
        assert bare.host.ask("127.0.0.1", 8004) == "127.0.0.1 8004"
    else:
        assert bare.host.ask("127.0.0.1", 8004) == "172.19.0.1 8004"
    with pytest.raises(ConnectionRefusedError):
        bare.lan.ask(HOST, 8000)
