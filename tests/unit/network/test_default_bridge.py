"""The network "bridge" as the daemon's options, the bridge itself and its past want it."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from linkspan.blueprint.parts import Address
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Pool
from linkspan.network.predefined import Wish, fitted, pool_of, wishes
from linkspan.network.settings import NetworkSettings


def wish(fixed="", gateway="", address="", version=4):
    return Wish(
        version,
        ip_interface(address) if address else None,
        ip_network(fixed) if fixed else None,
        ip_address(gateway) if gateway else None,
    )


FORMER = Pool(ip_network("10.1.0.0/24"), ip_address("10.1.0.1"))


@pytest.mark.parametrize(
    ("fixed", "kept"),
    [
        ("", FORMER),
        ("10.1.0.128/25", FORMER),
        ("10.1.0.0/16", Pool(ip_network("10.1.0.0/16"), ip_address("10.1.0.1"))),
        ("10.2.0.0/24", None),
    ],
)
def test_what_a_fixed_range_leaves_of_the_former_subnet(fixed, kept):
    assert fitted(wish(fixed), FORMER) == kept


def test_a_pool_has_range_gateway_and_the_gateway_of_its_containers():
    made = pool_of(wish("10.1.0.128/25", "10.1.0.9"), FORMER)
    assert made == Pool(
        FORMER.subnet,
        FORMER.gateway,
        ip_network("10.1.0.128/25"),
        (("DefaultGatewayIPv4", ip_address("10.1.0.9")),),
    )
    assert pool_of(wish(gateway="10.1.0.1"), FORMER).auxiliary == ()


def test_the_bridge_takes_no_address_that_another_gateway_has():
    made = pool_of(wish(gateway="10.1.0.1"), Pool(FORMER.subnet))
    assert made.gateway == ip_address("10.1.0.2")


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (wish("10.1.0.0/16"), "--fixed-cidr 10.1.0.0/16 is not within 10.1.0.0/24"),
        (wish(gateway="10.2.0.1"), "--default-gateway 10.2.0.1 is not within"),
    ],
)
def test_what_does_not_fit_is_refused(wanted, text):
    with pytest.raises(InvalidParameter, match=text):
        pool_of(wanted, FORMER)


def test_the_second_familys_options_have_names_of_their_own():
    with pytest.raises(InvalidParameter, match="--default-gateway-v6 fd00::1 is not within"):
        pool_of(wish(gateway="fd00::1", version=6), Pool(ip_network("fd00:1::/64")))


def test_options_of_ipv6_say_nothing_without_it():
    assert [each.version for each in wishes(NetworkSettings(bip6=ip_interface("fd00::1/64")))] == [4]
    assert [each.version for each in wishes(NetworkSettings(ipv6=True))] == [4, 6]


def test_ipv6_comes_and_goes_with_the_option(build):
    house = build(ipv6=True, bip6=ip_interface("fd00:9::1/64"))
    bridge = house.controller.network("bridge")
    assert bridge.enable_ipv6 and str(bridge.pool(6).subnet) == "fd00:9::/64"
    assert Address("docker0", ip_interface("fd00:9::1/64")) in house.kernel.parts
    house.restart(NetworkSettings(exec_root=house.directory))
    bridge = house.controller.network("bridge")
    assert not bridge.enable_ipv6 and bridge.pool(6) is None
    assert Address("docker0", ip_interface("fd00:9::1/64")) not in house.kernel.parts


def test_a_ula_subnet_stays_the_same(build):
    house = build(ipv6=True)
    chosen = house.controller.network("bridge").pool(6)
    house.restart(house.settings)
    assert house.controller.network("bridge").pool(6) == chosen
    assert str(chosen.subnet).startswith("fd")


def test_a_fixed_range_alone_is_the_subnet(build):
    house = build(fixed_cidr=ip_network("10.9.1.0/24"))
    assert house.controller.network("bridge").pool(4) == Pool(
        ip_network("10.9.1.0/24"), ip_address("10.9.1.1"), ip_network("10.9.1.0/24")
    )


def test_an_adopted_bridge_keeps_its_addresses(build):
    house = build()
    house.kernel.give("br9", "bridge")
    own = Address("br9", ip_interface("10.44.0.7/24"))
    house.kernel.parts.append(own)
    house.restart(NetworkSettings(bridge="br9", exec_root=house.directory))
    assert house.controller.network("bridge").pool(4) == Pool(ip_network("10.44.0.0/24"), own.interface.ip)
    house.restart(NetworkSettings(bridge="none", exec_root=house.directory))
    assert own in house.kernel.parts
