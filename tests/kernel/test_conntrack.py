"""Tracked flows are forgotten by endpoint and by published UDP port, and all others stay."""

import itertools
import os
from ipaddress import ip_address

import pytest

from linkspan.kernel import conntrack
from linkspan.kernel.host import HostKernel

CLIENT, HOST, INNER, OTHER = "10.0.0.9", "10.0.0.5", "172.17.0.2", "172.17.0.3"

PORTS = itertools.count(40000)  # two flows with one answering tuple would be one flow


@pytest.fixture(params=[None, 0, 1000], ids=["kernel deletes", "kernel chooses", "we choose"])
def kernel(namespace, monkeypatch, request):
    made = namespace.call(HostKernel)
    if request.param is not None:  # as with a kernel before 6.9
        monkeypatch.setattr(made, "_can_choose", False)
        monkeypatch.setattr("linkspan.kernel.host._FEW_FLOWS", request.param)
    elif not conntrack.deletes_by_filter(os.uname().release):
        pytest.skip("this kernel does not delete by filter")
    yield made
    made.close()


def track(namespace, source, destination, answering, port, protocol="udp"):
    extra = " --state ESTABLISHED" if protocol == "tcp" else ""
    own = next(PORTS)
    namespace.run(
        f"conntrack -I -p {protocol} -s {source} -d {destination} --reply-src {answering}"
        f" --reply-dst {source} --sport {own} --dport {port} --reply-port-src {port} --reply-port-dst {own}"
        f" --timeout 100{extra}"
    )


def tracked(namespace):
    """(source, destination, port) of every flow that conntrack(8) lists, both families."""
    lines = namespace.run("conntrack -L -f ipv4", "conntrack -L -f ipv6").splitlines()
    pairs = [[word.split("=") for word in line.split() if "=" in word] for line in lines]
    flows = [dict(reversed(words)) for words in pairs]  # the original direction comes first and wins
    return sorted((flow["src"], flow["dst"], int(flow["dport"])) for flow in flows)


def test_all_flows_of_an_endpoint_go_whoever_began(namespace, kernel):
    track(namespace, CLIENT, HOST, INNER, 80, "tcp")
    track(namespace, INNER, "9.9.9.9", "9.9.9.9", 53)
    track(namespace, OTHER, INNER, INNER, 99)
    track(namespace, CLIENT, HOST, OTHER, 81, "tcp")
    kernel.flush_conntrack(addresses=[ip_address(INNER)])
    assert tracked(namespace) == [(CLIENT, HOST, 81)]


def test_flows_to_a_udp_port_of_one_address_go(namespace, kernel):
    track(namespace, CLIENT, HOST, INNER, 53)
    track(namespace, CLIENT, "10.0.0.6", INNER, 53)
    track(namespace, CLIENT, HOST, INNER, 54)
    track(namespace, CLIENT, HOST, INNER, 53, "tcp")
    kernel.flush_conntrack(udp_ports=[(ip_address(HOST), 53)])
    assert tracked(namespace) == [(CLIENT, HOST, 53), (CLIENT, HOST, 54), (CLIENT, "10.0.0.6", 53)]


def test_an_unspecified_address_means_all_of_its_family(namespace, kernel):
    track(namespace, CLIENT, HOST, INNER, 53)
    track(namespace, CLIENT, "10.0.0.6", INNER, 53)
    track(namespace, "fd00::9", "fd00::5", "fd00:1::2", 53)
    kernel.flush_conntrack(udp_ports=[(ip_address("0.0.0.0"), 53)])
    assert tracked(namespace) == [("fd00::9", "fd00::5", 53)]
    kernel.flush_conntrack(addresses=[ip_address("fd00:1::2")])
    assert tracked(namespace) == []


def test_hundreds_of_flows_go_at_once_and_none_is_fine(namespace, kernel):
    for port in range(120):
        track(namespace, CLIENT, HOST, INNER, 1000 + port)
    kernel.flush_conntrack(addresses=[ip_address(INNER)])
    assert tracked(namespace) == []
    kernel.flush_conntrack(addresses=[ip_address(INNER)])
    kernel.flush_conntrack()


def test_a_namespace_counts_its_own_flows(namespace, kernel):
    assert namespace.call(conntrack.tracked) == 0
    track(namespace, CLIENT, HOST, INNER, 53)
    assert namespace.call(conntrack.tracked) == 1
