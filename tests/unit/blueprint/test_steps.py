"""Each step says what it does and knows the step that takes it back."""

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from linkspan.blueprint.parts import Address, Bridge, LinkUp, MovedLink, Route, SubLink, Sysctl, VethPair
from linkspan.blueprint.steps import Add, Remove, links_of, needs

PARTS = [
    (Bridge("br-1"), "making the bridge br-1", "removing the bridge br-1"),
    (
        VethPair("veth1", "eth0", "/s", "br-1"),
        "making the veth pair veth1 and eth0 on br-1",
        "removing the veth pair veth1",
    ),
    (
        VethPair("veth1", "eth0", "/s", ""),
        "making the veth pair veth1 and eth0",
        "removing the veth pair veth1",
    ),
    (LinkUp("lo"), "setting lo up", "leaving lo up"),
    (
        Address("eth0", ip_interface("172.17.0.2/16")),
        "adding 172.17.0.2/16 to eth0",
        "removing 172.17.0.2/16 from eth0",
    ),
    (
        Route("eth0", ip_address("172.17.0.1")),
        "adding the route default via 172.17.0.1 on eth0",
        "removing the route default via 172.17.0.1 on eth0",
    ),
    (
        Route("eth0", None, ip_network("192.0.2.0/24")),
        "adding the route 192.0.2.0/24 on eth0",
        "removing the route 192.0.2.0/24 on eth0",
    ),
    (
        Sysctl("net.ipv4.ip_forward", "1"),
        "setting net.ipv4.ip_forward to 1",
        "leaving net.ipv4.ip_forward as it is",
    ),
]


@pytest.mark.parametrize(("part", "adding", "removing"), PARTS)
def test_a_step_says_what_it_does_and_has_an_inverse(part, adding, removing):
    assert (str(Add(part)), str(Remove(part))) == (adding, removing)
    assert Add(part).inverse == Remove(part)
    assert Add(part).inverse.inverse == Add(part)


def test_links_come_and_go_with_bridges_and_pairs_but_not_with_adopted_bridges():
    assert links_of(Bridge("br-1")) == {("", "br-1")}
    assert links_of(Bridge("br-1", adopted=True)) == set()
    assert links_of(VethPair("veth1", "eth0", "/s", "br-1")) == {("", "veth1"), ("/s", "eth0")}
    assert links_of(LinkUp("lo")) == set()


@pytest.mark.parametrize(
    ("part", "link"),
    [
        (LinkUp("lo", "/s"), ("/s", "lo")),
        (Address("eth0", ip_interface("10.0.0.1/8"), "/s"), ("/s", "eth0")),
        (Route("eth0", sandbox="/s"), ("/s", "eth0")),
        (Sysctl("net.ipv4.conf.eth0/5.forwarding", "1", "/s"), ("/s", "eth0.5")),
    ],
)
def test_what_hangs_on_a_link_names_it(part, link):
    assert needs(part) == {link}


@pytest.mark.parametrize("part", [Bridge("br-1"), Sysctl("net.ipv4.ip_forward", "1")])
def test_what_stands_alone_needs_no_link(part):
    assert needs(part) == set()


def test_links_on_a_parent_name_it_and_go_with_it():
    link = SubLink("macvlan", "eth0", "eth1", "/n", "bridge")
    assert str(Add(link)) == "making the macvlan link eth0 on eth1"
    assert str(Add(link).inverse) == "removing the macvlan link eth0"
    assert links_of(link) == {("/n", "eth0")} and needs(link) == {("", "eth1")}


def test_a_moved_link_is_taken_back_by_moving_it_back():
    link = MovedLink("src0", "eth0", "/n")
    assert str(Add(link)) == "moving src0 into the sandbox as eth0"
    assert str(Add(link).inverse) == "moving eth0 back to the host as src0"
    assert links_of(link) == {("/n", "eth0")} and needs(link) == {("", "src0")}
