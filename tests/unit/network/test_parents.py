"""macvlan and ipvlan networks: what their options mean, and what of the host decides."""

from __future__ import annotations

import pytest

from linkspan.blueprint.parts import Address, Route, SubLink, VethPair
from linkspan.model.errors import Forbidden, InvalidParameter, LinkspanError, NotImplementedHere
from linkspan.network.parent_options import HOST_ADDRESS, parent_options

MAC = "02:00:00:00:00:99"


@pytest.fixture
def create(house):
    """Create a network on eth0, which the host has."""
    house.kernel.give("eth0", "veth")

    def make(name="lan", driver="macvlan", subnet="10.9.0.0/24", **options):
        given = {"parent": "eth0", **options}
        return house.network(name, subnet, driver=driver, options=tuple(given.items()))

    return make


def test_an_endpoint_is_a_link_on_the_parent(house, create):
    network = create(macvlan_mode="vepa")
    assert (network.adopted, network.bridge) == (True, "")
    endpoint = house.join("web", "lan", publish=[(8080, 80)]).endpoints[0]
    (link,) = house.kernel.of(SubLink)
    assert (link.kind, link.name, link.parent, link.mode) == ("macvlan", "eth0", "eth0", "vepa")
    assert (endpoint.host_link, str(endpoint.gateway4)) == ("", "10.9.0.1")
    assert not house.proxy.served
    house.controller.leave(house.request("web").container.id)
    house.controller.remove_network("lan")
    assert not house.kernel.of(SubLink)


def test_a_vlan_is_made_when_it_is_missing(house, create):
    create(parent="eth0.50")
    (vlan,) = house.kernel.of(SubLink)
    assert (vlan.kind, vlan.name, vlan.parent, vlan.mode) == ("vlan", "eth0.50", "eth0", "50")
    house.kernel.give("eth0.51", "vlan")
    assert create("other", subnet="10.8.0.0/24", parent="eth0.51").adopted
    assert len(house.kernel.of(SubLink)) == 1


def test_without_a_parent_nothing_leads_out(house, create):
    create(parent="")
    (stub,) = house.kernel.of(VethPair)
    assert stub.host_name.startswith("dm-") and stub.sandbox == "" and stub.bridge == ""
    assert house.join("web", "lan").endpoints[0].gateway4 is None


def test_the_hosts_own_link_and_its_ways(house, create):
    create(**{HOST_ADDRESS: "10.9.0.40"})
    assert "10.9.0.40/32" in [str(address.interface) for address in house.kernel.of(Address)]
    house.join("web", "lan")
    assert [str(route.destination) for route in house.kernel.of(Route) if not route.sandbox] == [
        "10.9.0.2/32"
    ]
    before = [part.name for part in house.kernel.of(SubLink) if not part.sandbox]
    house.restart()
    assert [part.name for part in house.kernel.of(SubLink) if not part.sandbox] == before


def test_passthru_has_the_parents_mac_address_and_room_for_one(house, create):
    create(macvlan_mode="passthru")
    assert house.join("web", "lan").endpoints[0].mac == MAC
    with pytest.raises(LinkspanError, match="one endpoint: it is that of container web"):
        house.join("db", "lan")
    with pytest.raises(Forbidden, match="cannot use mode passthru"):
        create("again", subnet="10.8.0.0/24")


def test_ipvlan_in_its_modes(house, create):
    network = create(driver="ipvlan", ipvlan_mode="l3", ipvlan_flag="private")
    options = parent_options(network)
    assert (options.mode, options.flag, options.routed) == ("l3", "private", True)
    endpoint = house.join("web", "lan").endpoints[0]
    assert endpoint.mac == MAC and endpoint.link_routed
    (way,) = house.kernel.of(Route)
    assert (way.gateway, str(way.destination)) == (None, "0.0.0.0/0")
    (link,) = house.kernel.of(SubLink)
    assert (link.kind, link.mode, link.flag, link.mac) == ("ipvlan", "l3", "private", "")
    with pytest.raises(Forbidden, match="already using parent interface eth0"):
        create("other", subnet="10.8.0.0/24")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"macvlan_mode": "x"}, "requested macvlan mode 'x' is not valid"),
        ({"driver": "ipvlan", "ipvlan_flag": "x"}, "unknown ipvlan flag type: x"),
        ({"driver": "ipvlan", HOST_ADDRESS: "true"}, "needs the driver macvlan in bridge mode"),
        ({HOST_ADDRESS: "x"}, "invalid host address x"),
        ({HOST_ADDRESS: "10.1.1.1"}, "it is not in 10.9.0.0/24"),
        ({"parent": "no0"}, "this host has no link no0"),
        ({"parent": "no0.7"}, "parent interface no0 was not found"),
        ({"parent": "eth0.0"}, "vlan id must be between 1-4094"),
    ],
)
def test_options_that_cannot_be(create, options, complaint):
    with pytest.raises(InvalidParameter, match=complaint):
        create(**options)


def test_a_host_address_of_the_other_family_is_no_matter_of_this_one(create):
    assert create(**{HOST_ADDRESS: "fd00::9"}).pools[0].auxiliary == ()


@pytest.mark.parametrize(("driver", "parent"), [("ipvlan", "eth0"), ("macvlan", "eth0.5")])
def test_what_the_kernel_lacks_is_said(house, create, driver, parent):
    house.kernel.kinds = {"macvlan"}
    with pytest.raises(NotImplementedHere, match="this kernel cannot make"):
        create(driver=driver, parent=parent)
