"""Bindings: runs of ports are one value whatever the order they came in, and nothing is lost or invented."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

from hypothesis import given
from hypothesis import strategies as st

from linkspan.blueprint.facts import LoopbackOnly, Publish
from linkspan.model.network import Endpoint, Network
from linkspan.model.ports import PortBinding
from linkspan.network.bindings import collapse, listeners, publish_facts
from linkspan.network.options import BRIDGE
from linkspan.network.publishing import single
from linkspan.network.settings import NetworkSettings

ANY4, ANY6, LO4, LO6 = (ip_address(a) for a in ("0.0.0.0", "::", "127.0.0.1", "::1"))
SINGLE = st.builds(
    PortBinding,
    st.sampled_from(["tcp", "udp"]),
    st.sampled_from([ANY4, ANY6, LO4]),
    st.integers(8000, 8012),
    st.integers(80, 92),
)


@given(st.lists(SINGLE, max_size=60))
def test_collapsing_loses_nothing_and_invents_nothing(bindings):
    collapsed = collapse(bindings)
    assert set(single(collapsed)) == set(bindings)
    assert sum(binding.count for binding in collapsed) == len(set(bindings))
    assert collapse(collapsed) == collapsed


@given(st.permutations(range(30)), st.integers(-50, 50))
def test_a_run_is_one_binding_whatever_its_order(order, shift):
    bindings = [PortBinding("tcp", ANY4, 8000 + n, 8000 + shift + n) for n in order]
    assert collapse(bindings) == (PortBinding("tcp", ANY4, 8000, 8000 + shift, 30),)


def test_ports_without_a_host_port_are_runs_too():
    bindings = [PortBinding("tcp", ANY4, 0, port) for port in (80, 82, 81, 90)]
    assert collapse(bindings) == (PortBinding("tcp", ANY4, 0, 80, 3), PortBinding("tcp", ANY4, 0, 90))


def network(mode="nat"):
    return Network("n", "front", "bridge", "", bridge="br0", options=((BRIDGE + "gateway_mode_ipv4", mode),))


def endpoint(ipv4="10.0.0.2/24", ipv6=None):
    return Endpoint(
        "e",
        "n",
        "front",
        "c",
        "web",
        "",
        ipv4=ip_interface(ipv4) if ipv4 else None,
        ipv6=ip_interface(ipv6) if ipv6 else None,
    )


PAIR = (PortBinding("tcp", ANY4, 8000, 80, 10), PortBinding("tcp", ANY6, 8000, 80, 10))


def test_both_families():
    facts = publish_facts(network(), endpoint(ipv6="fd00::2/64"), PAIR, NetworkSettings())
    assert [(f.host_address, str(f.endpoint_address), f.count) for f in facts] == [
        (ANY4, "10.0.0.2", 10),
        (ANY6, "fd00::2", 10),
    ]
    wanted = listeners(network(), endpoint(ipv6="fd00::2/64"), PAIR)
    assert [str(listener.target_address) for listener in wanted] == ["10.0.0.2", "fd00::2"]


def test_the_missing_family_lives_by_the_proxy_alone():
    only6 = endpoint(ipv4=None, ipv6="fd00::2/64")
    assert [str(f.host_address) for f in publish_facts(network(), only6, PAIR, NetworkSettings())] == ["::"]
    assert [str(listener.target_address) for listener in listeners(network(), only6, PAIR)] == ["fd00::2"] * 2


def test_routed_ports_are_opened_and_not_bound():
    facts = publish_facts(network("routed"), endpoint(), PAIR[:1], NetworkSettings())
    assert isinstance(facts[0], Publish) and not facts[0].nat
    assert listeners(network("routed"), endpoint(), PAIR[:1]) == ()


def test_ipv4_loopback_is_guarded_before_it_is_opened():
    facts = publish_facts(network(), endpoint(), [PortBinding("tcp", LO4, 80, 80)], NetworkSettings())
    assert [type(fact) for fact in facts] == [LoopbackOnly, Publish]
    both = endpoint(ipv6="fd00::2/64")
    facts = publish_facts(network(), both, [PortBinding("tcp", LO6, 80, 80)], NetworkSettings())
    assert [type(fact) for fact in facts] == [Publish]


def test_runs_end_where_others_may_come():
    ten = (ip_network("10.0.0.0/8"),)
    bindings = [PortBinding("tcp", ANY4, 8000 + n, 80 + n, sources=ten if n < 2 else ()) for n in range(3)]
    assert collapse(bindings) == (
        PortBinding("tcp", ANY4, 8000, 80, 2, ten),
        PortBinding("tcp", ANY4, 8002, 82),
    )


def test_each_family_has_its_own_sources_and_the_proxy_all():
    sources = (ip_network("10.0.0.0/8"),)
    bindings = [PortBinding("tcp", address, 8080, 80, 1, sources) for address in (ANY4, ANY6)]
    four, six = publish_facts(network(), endpoint(ipv6="fd00::2/64"), bindings, NetworkSettings())
    assert (four.sources, four.restricted) == (sources, True)
    assert (six.sources, six.restricted) == ((), True)
    assert [each.sources for each in listeners(network(), endpoint(ipv6="fd00::2/64"), bindings)] == [
        sources,
        sources,
    ]


def test_where_the_hosts_firewall_is_respected_nothing_is_translated():
    """Ports of loopback are guarded as ever, and routed ports are none of the host's."""
    respectful = NetworkSettings(respect_host_firewall=True)
    bindings = [PortBinding("tcp", address, 8080, 80) for address in (ANY4, LO4)]
    assert publish_facts(network(), endpoint(ipv6="fd00::2/64"), bindings, respectful) == (
        LoopbackOnly("tcp", LO4, 8080),
    )
    assert len(listeners(network(), endpoint(ipv6="fd00::2/64"), bindings)) == 2
    routed = [PortBinding("tcp", ANY4, 0, 80)]
    assert [
        type(fact)
        for fact in publish_facts(network("routed"), endpoint(ipv6="fd00::2/64"), routed, respectful)
    ] == [Publish]
