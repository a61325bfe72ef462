"""Link, address and route requests as an independent decoder reads them, and answers as we read them."""

from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from linkspan.blueprint.parts import Bridge, SubLink, VethPair
from linkspan.kernel import addresses, links, routes, sublinks, wire

MAC = "02:42:ac:11:00:02"
interfaces = st.builds(
    lambda address, length: ip_interface((address, length % (address.max_prefixlen + 1))),
    st.ip_addresses(),
    st.integers(0, 128),
)
macs = st.binary(min_size=6, max_size=6).map(lambda data: data.hex(":"))


def decoded(message_class, body):
    message = message_class(wire.message(16, 5, 1, body))
    message.decode()
    return message


def test_a_bridge_is_asked_for_up_without_queue():
    message = decoded(ifinfmsg, links.bridge_request(Bridge("docker0", mac=MAC)))
    assert message["flags"] & 1
    assert message.get_attr("IFLA_IFNAME") == "docker0"
    assert message.get_attr("IFLA_ADDRESS") == MAC
    assert message.get_attr("IFLA_TXQLEN") == 0
    assert message.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") == "bridge"


@given(macs, st.integers(68, 65535), st.integers(3, 1000))
def test_a_veth_pair_is_one_message_with_its_peer_in_the_namespace(mac, mtu, namespace):
    pair = VethPair("veth1234567", "eth0", "/n", "docker0", mac, mtu)
    message = decoded(ifinfmsg, links.veth_request(pair, namespace, 7))
    peer = message.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA", "VETH_INFO_PEER")
    assert (message.get_attr("IFLA_IFNAME"), message.get_attr("IFLA_MASTER")) == ("veth1234567", 7)
    assert (message.get_attr("IFLA_MTU"), peer.get_attr("IFLA_MTU")) == (mtu, mtu)
    assert (peer.get_attr("IFLA_IFNAME"), peer.get_attr("IFLA_ADDRESS")) == ("eth0", mac)
    assert peer.get_attr("IFLA_NET_NS_FD") == namespace


def test_a_veth_pair_without_a_bridge_has_no_master():
    message = decoded(ifinfmsg, links.veth_request(VethPair("v", "eth0", "/n", ""), 3, 0))
    assert message.get_attr("IFLA_MASTER") is None


def test_a_link_that_pyroute2_wrote_is_read_back():
    message = ifinfmsg()
    message["index"], message["flags"] = 5, 1
    message["attrs"] = [
        ("IFLA_IFNAME", "veth1"), ("IFLA_ADDRESS", MAC), ("IFLA_MTU", 1400), ("IFLA_MASTER", 3),
        ("IFLA_IFALIAS", "linkspan:endpoint:1"), ("IFLA_OPERSTATE", "UP"), ("IFLA_LINK", 2),
        ("IFLA_LINK_NETNSID", 0),
    ]  # fmt: skip
    message.encode()
    state = links.link_state(bytes(message.data[16:]))
    assert state == links.LinkState(
        5, "veth1", "", MAC, 1400, 3, 2, "linkspan:endpoint:1", up=True, running=True, netnsid=0
    )


@given(interfaces, st.integers(1, 2**31 - 1))
def test_an_address_survives_the_way_to_the_kernel_and_back(interface, index):
    body = addresses.address_request(index, interface)
    assert addresses.address(body) == (index, interface)
    message = decoded(ifaddrmsg, body)
    assert (message["index"], message["prefixlen"]) == (index, interface.network.prefixlen)
    assert ip_address(message.get_attr("IFA_LOCAL")) == interface.ip
    assert bool(message["flags"] & 2) == (interface.version == 6)


@pytest.mark.parametrize(
    ("interface", "broadcast"),
    [("172.17.0.2/16", "172.17.255.255"), ("10.0.0.1/31", None), ("10.0.0.1/32", None)],
)
def test_an_ipv4_address_has_a_broadcast_address_where_there_is_room(interface, broadcast):
    body = addresses.address_request(1, ip_interface(interface))
    assert decoded(ifaddrmsg, body).get_attr("IFA_BROADCAST") == broadcast


@given(interfaces.map(lambda i: i.network), st.integers(1, 2**31 - 1))
def test_a_route_survives_the_way_to_the_kernel_and_back(destination, index):
    state = routes.route(routes.route_request(index, destination, None))
    assert state == routes.RouteState(destination, None, None, index, 254, 3)


@pytest.mark.parametrize("gateway", ["172.17.0.1", "fd00::1"])
def test_a_default_route_is_of_its_gateways_family(gateway):
    message = decoded(rtmsg, routes.route_request(2, None, ip_address(gateway)))
    assert (message["dst_len"], message["table"], message["scope"]) == (0, 254, 0)
    assert message["family"] == (10 if ":" in gateway else 2)
    assert message.get_attr("RTA_GATEWAY") == gateway
    assert message.get_attr("RTA_DST") is None


def test_a_route_without_a_gateway_is_on_the_link():
    message = decoded(rtmsg, routes.route_request(2, ip_network("192.0.2.0/24"), None))
    assert (message["scope"], message.get_attr("RTA_OIF")) == (253, 2)


def test_a_route_to_nowhere_is_refused():
    with pytest.raises(ValueError, match="a route needs a destination or a gateway"):
        routes.route_request(1, None, None)


@pytest.mark.parametrize(
    ("link", "attribute", "value"),
    [
        (SubLink("macvlan", "eth0", "p", mode="vepa"), "IFLA_MACVLAN_MODE", "vepa"),
        (SubLink("ipvlan", "eth0", "p", mode="l3"), "IFLA_IPVLAN_MODE", 1),
        (SubLink("vlan", "p.50", "p", mode="50"), "IFLA_VLAN_ID", 50),
    ],
)
def test_a_link_on_a_parent(link, attribute, value):
    message = decoded(ifinfmsg, sublinks.request(link, 3, 9))
    assert message.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") == link.kind
    assert message.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA", attribute) == value
    assert (message.get_attr("IFLA_LINK"), message.get_attr("IFLA_NET_NS_FD")) == (9, 3)
