"""The bridge driver: what each option means for the kernel."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from linkspan.blueprint.facts import DirectAccessDrop, Fence, Hairpin, Masquerade, SkipOwnBridge
from linkspan.blueprint.parts import Address, Bridge, Route, Sysctl, VethPair
from linkspan.model.network import Endpoint, EndpointConfig, Network, Pool
from linkspan.network.drivers import attachment, bridge, driver, host, is_remote, null, remote
from linkspan.network.options import BRIDGE, ENDPOINT_SYSCTLS, HOST_SOURCE
from linkspan.network.settings import NetworkSettings

SUBNET4, SUBNET6 = ip_network("10.0.0.0/24"), ip_network("fd00::/64")
POOLS = (Pool(SUBNET4, ip_address("10.0.0.1")), Pool(SUBNET6, ip_address("fd00::1")))
DEFAULT, NO_PROXY = NetworkSettings(), NetworkSettings(userland_proxy=False)
ENDPOINT = Endpoint(
    "e1",
    "n1",
    "front",
    "c1",
    "web",
    "/netns/c1",
    link="eth0",
    host_link="veth1",
    mac="02:00:00:00:00:01",
    ipv4=ip_interface("10.0.0.2/24"),
    gateway4=ip_address("10.0.0.1"),
    gateway6=ip_address("fd00::1"),
)


def network(*options, pools=POOLS[:1], **fields):
    given = tuple((BRIDGE + key if "." not in key else key, value) for key, value in options)
    return Network("n1", "front", "bridge", "", pools=pools, options=given, bridge="br0", **fields)


def of(kind, parts):
    return [part for part in parts if isinstance(part, kind)]


def test_a_plain_network():
    parts = bridge.network_parts(network(), DEFAULT)
    assert isinstance(parts[0], Bridge) and not parts[0].adopted
    assert of(Sysctl, parts) == [Sysctl("net.ipv6.conf.br0.accept_ra", "0", needed=False)]
    assert of(Address, parts) == [Address("br0", ip_interface("10.0.0.1/24"))]
    assert bridge.network_facts(network(), DEFAULT) == (
        Fence("br0", SUBNET4),
        Masquerade(SUBNET4, "br0"),
        SkipOwnBridge("br0"),
    )


def test_without_the_userland_proxy():
    keys = [part.key for part in of(Sysctl, bridge.network_parts(network(), NO_PROXY))]
    assert keys[1:] == ["net.ipv4.conf.br0.route_localnet", "net.bridge.bridge-nf-call-iptables"]
    facts = bridge.network_facts(network(), NO_PROXY)
    assert facts == (
        Fence("br0", SUBNET4),
        Hairpin(SUBNET4, "br0"),
        Masquerade(SUBNET4, "br0", from_host=True),
    )
    assert of(VethPair, bridge.endpoint_parts(network(), ENDPOINT, NO_PROXY))[0].hairpin


def test_icc_off_needs_bridged_packets_in_the_filter():
    sysctl = of(Sysctl, bridge.network_parts(network(("enable_icc", "false")), DEFAULT))[-1]
    assert (sysctl.key, sysctl.needed) == ("net.bridge.bridge-nf-call-iptables", True)
    careless = NetworkSettings(bridge_filter_optional=True)
    assert not of(Sysctl, bridge.network_parts(network(("enable_icc", "false")), careless))[-1].needed


def test_dual_stack():
    dual = network(pools=POOLS, enable_ipv6=True)
    parts = bridge.network_parts(dual, DEFAULT)
    assert Sysctl("net.ipv6.conf.all.forwarding", "1") in parts
    addresses = [str(part.interface) for part in of(Address, parts)]
    assert addresses == ["10.0.0.1/24", "fe80::1/64", "fd00::1/64"]
    assert [fact.subnet for fact in of(Fence, bridge.network_facts(dual, DEFAULT))] == [SUBNET4, SUBNET6]
    assert SkipOwnBridge("br0", 6) in bridge.network_facts(dual, DEFAULT)


@pytest.mark.parametrize(
    ("options", "fields", "facts"),
    [
        ([("enable_ip_masquerade", "false")], {}, (Fence("br0", SUBNET4),)),
        ([("gateway_mode_ipv4", "routed")], {}, (Fence("br0", SUBNET4, gateway_mode="routed"),)),
        ([], {"internal": True}, (Fence("br0", SUBNET4, internal=True),)),
        (
            [(HOST_SOURCE[4], "10.9.9.9")],
            {},
            (
                Fence("br0", SUBNET4),
                Masquerade(SUBNET4, "br0", source=ip_address("10.9.9.9")),
                SkipOwnBridge("br0"),
            ),
        ),
    ],
)
def test_facts_of_options(options, fields, facts):
    assert bridge.network_facts(network(*options, **fields), DEFAULT) == facts


@pytest.mark.parametrize(
    ("options", "fields"),
    [([("inhibit_ipv4", "true")], {}), ([("gateway_mode_ipv4", "isolated")], {"internal": True})],
)
def test_bridges_without_an_address(options, fields):
    assert of(Address, bridge.network_parts(network(*options, **fields), DEFAULT)) == []


def test_an_adopted_bridge_keeps_its_mac():
    made = bridge.network_parts(network(adopted=True), DEFAULT)[0]
    assert made.adopted and made.mac == ""


def test_an_endpoint():
    parts = bridge.endpoint_parts(network(), ENDPOINT, DEFAULT)
    assert parts[0] == VethPair(
        "veth1", "eth0", "/netns/c1", "br0", "02:00:00:00:00:01", owner="linkspan:endpoint:e1:web"
    )
    assert parts[1:] == (
        Sysctl("net.ipv6.conf.eth0.disable_ipv6", "1", "/netns/c1", needed=False),
        Address("eth0", ip_interface("10.0.0.2/24"), "/netns/c1"),
    )
    assert attachment.default_route(ENDPOINT, 4) == Route("eth0", ip_address("10.0.0.1"), sandbox="/netns/c1")
    assert attachment.default_route(ENDPOINT, 6).gateway == ip_address("fd00::1")


def test_an_endpoint_with_ipv6_is_deaf_to_routers():
    """Before it has its addresses: a peer with NET_RAW may say that it is a router."""
    six = replace(ENDPOINT, ipv6=ip_interface("fd00::2/64"))
    parts = bridge.endpoint_parts(network(pools=POOLS), six, DEFAULT)
    assert parts[1] == Sysctl("net.ipv6.conf.eth0.accept_ra", "0", "/netns/c1", needed=False)


def test_link_local_addresses_and_sysctls_of_an_endpoint():
    config = EndpointConfig(
        link_local=(ip_address("169.254.1.1"), ip_address("fe80::9")),
        driver_opts=(
            (ENDPOINT_SYSCTLS, "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.ifname.forwarding=0"),
        ),
    )
    endpoint = Endpoint("e1", "n1", "front", "c1", "web", "/s", link="eth3", config=config)
    parts = bridge.endpoint_parts(network(), endpoint, DEFAULT)
    assert [str(part.interface) for part in of(Address, parts)] == ["169.254.1.1/16", "fe80::9/64"]
    assert [(part.key, part.value) for part in of(Sysctl, parts)[1:]] == [
        ("net.ipv4.conf.eth3.log_martians", "1"),
        ("net.ipv4.conf.eth3.forwarding", "0"),
    ]


@pytest.mark.parametrize(
    ("options", "fields", "settings", "count"),
    [
        ([], {}, DEFAULT, 1),
        ([], {"internal": True}, DEFAULT, 0),
        ([], {}, NetworkSettings(allow_direct_routing=True), 0),
        ([("gateway_mode_ipv4", "routed")], {}, DEFAULT, 0),
        ([("gateway_mode_ipv4", "nat-unprotected")], {}, DEFAULT, 0),
    ],
)
def test_direct_access_is_dropped_in_nat_mode_only(options, fields, settings, count):
    assert len(bridge.endpoint_facts(network(*options, **fields), ENDPOINT, settings)) == count


def test_trusted_interfaces_may_go_directly():
    facts = bridge.endpoint_facts(network(("trusted_host_interfaces", "vpn0")), ENDPOINT, DEFAULT)
    assert facts == (DirectAccessDrop(ip_address("10.0.0.2"), "br0", ("vpn0",)),)


@pytest.mark.parametrize("module", [host, null])
def test_host_and_null_need_nothing(module):
    assert module.network_parts(network(), DEFAULT) == module.network_facts(network(), DEFAULT) == ()
    assert module.endpoint_parts(network(), ENDPOINT, DEFAULT) == ()
    assert module.endpoint_facts(network(), ENDPOINT, DEFAULT) == ()


def test_drivers_by_name():
    assert [driver(name) for name in ("bridge", "host", "null")] == [bridge, host, null]
    assert driver("macfoo") is remote and is_remote("macfoo") and not is_remote("macvlan")
