"""What a network's options change on a walk, on every backend."""

from __future__ import annotations

from typing import Any

import pytest

HOST, LAN, UPLINK, INTERNET = "10.0.0.5", "10.0.0.9", "198.51.100.1", "198.51.100.9"
C1, C2, D, E = "172.18.0.2", "172.18.0.3", "172.19.0.2", "172.19.0.3"
GATEWAY2 = "172.19.0.1"
DROPPED = pytest.raises(TimeoutError)


def test_without_masquerading_addresses_are_seen_as_they_are(bare: Any) -> None:
    """And with the proxy only the publishing network itself meets it: others' packets are translated."""
    for bridge, subnet in (("br1", "172.18.0.0/16"), ("br2", "172.19.0.0/16")):
        bare.network(bridge, subnet, masquerade=False)
    bare.internet.run("ip route add 172.16.0.0/12 via 198.51.100.1")
    bare.internet.serve(80)
    c1 = bare.container(C1, "br1", drop=False)
    d, e = bare.container(D, "br2"), bare.container(E, "br2")
    d.serve(80)
    bare.publish()
    assert c1.ask(INTERNET, 80) == f"{C1} 80"
    assert c1.ask(HOST, 8080) == f"{C1} 80"
    if bare.proxy:
        bare.host.serve(8080)
        assert e.ask(HOST, 8080) == f"{E} 8080"
        assert d.ask(HOST, 8080) == f"{D} 8080"
    else:
        assert e.ask(HOST, 8080) == f"{GATEWAY2} 80"


def test_a_port_on_one_address_of_a_network_without_masquerading(bare: Any) -> None:
    bare.network("br2", "172.19.0.0/16", masquerade=False)
    d, e = bare.container(D, "br2"), bare.container(E, "br2")
    d.serve(80)
    bare.publish(host_address=HOST)
    bare.host.serve(8080)
    assert bare.lan.ask(HOST, 8080) == f"{LAN} 80"
    assert e.ask(UPLINK, 8080) == f"{E} 8080"
    assert e.ask(HOST, 8080) == (f"{E} 8080" if bare.proxy else f"{GATEWAY2} 80")


def test_an_isolated_network(bare: Any) -> None:
    """Its bridge has no address; containers talk to each other, and nobody else talks to them."""
    bare.host.run("ip address flush dev br2")
    bare.host.run("ip route add 172.19.0.0/16 dev br2")
    bare.network("br2", "172.19.0.0/16", gateway_mode="isolated")
    d, e = bare.container(D, "br2", drop=False), bare.container(E, "br2", drop=False)
    d.serve(80)
    assert e.ask(D, 80) == f"{E} 80"
    with DROPPED:
        bare.lan.ask(D, 80, timeout=0.3)


def test_an_internal_network_without_icc(bare: Any) -> None:
    bare.host.sysctl("net/bridge/bridge-nf-call-iptables", 1)
    bare.network("br2", "172.19.0.0/16", internal=True, icc=False)
    d, e = bare.container(D, "br2", drop=False), bare.container(E, "br2", drop=False)
    d.serve(80)
    with DROPPED:
        e.ask(D, 80, timeout=0.3)
    assert bare.host.ask(D, 80) == f"{GATEWAY2} 80"


def test_from_an_internal_network_nothing_is_reached_by_a_published_port(bare: Any) -> None:
    bare.network("br1", "172.18.0.0/16", internal=True)
    bare.network("br2", "172.19.0.0/16")
    c1, d = bare.container(C1, "br1", drop=False), bare.container(D, "br2", drop=False)
    d.serve(80)
    bare.publish()
    for address, port in ((D, 80), (HOST, 8080)):
        with DROPPED:
            c1.ask(address, port, timeout=0.3)
    with DROPPED:
        d.ask(C1, 80, timeout=0.3)


@pytest.mark.parametrize("icc", [True, False])
def test_a_peers_published_port_needs_no_bridge_filtering(proxyless: Any, icc: bool) -> None:
    proxyless.host.sysctl("net/bridge/bridge-nf-call-iptables", 0)
    proxyless.network("br2", "172.19.0.0/16", icc=icc)
    d, e = proxyless.container(D, "br2"), proxyless.container(E, "br2")
    d.serve(80)
    proxyless.publish()
    assert e.ask(HOST, 8080) == f"{GATEWAY2} 80"


def test_networks_come_and_go_under_traffic(bare: Any) -> None:
    """A restart of the daemon over a standing network, and other networks, do not cost a connection."""
    bare.network("br2", "172.19.0.0/16")
    bare.container(D, "br2").serve(80)
    bare.publish()
    facts = list(bare.facts)
    for _ in range(5):
        bare.network("br9", "172.29.0.0/16")
        assert bare.lan.ask(HOST, 8080) == f"{LAN} 80"
        bare.host.call(bare.firewall.start, facts)
        assert bare.lan.ask(HOST, 8080) == f"{LAN} 80"
