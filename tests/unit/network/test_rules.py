"""What create and connect must refuse, in Docker's words."""

from __future__ import annotations

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.model.network import EndpointConfig, EndpointRequest
from linkspan.network.options import ENDPOINT_SYSCTLS
from linkspan.network.rules import check_mode


def test_create_accepts_a_network_that_comes_later(house):
    house.controller.validate(house.request("web", "later"))


def test_create_names_the_network_that_is_configured_wrongly(house, wish):
    house.network("front", "10.7.0.0/24")
    with pytest.raises(InvalidParameter) as caught:
        house.controller.validate(house.request("web", wish("front", ipv4="10.8.0.1")))
    assert str(caught.value) == (
        "invalid config for network front: invalid endpoint settings:\n"
        "no configured subnet contains IP address 10.8.0.1"
    )


@pytest.mark.parametrize(
    ("networks", "text"),
    [
        (("front", "host"), "container sharing network namespace with another container or host"),
        (("none", "front"), "with one of the networks in private"),
    ],
)
def test_create_refuses_modes_that_cannot_be_mixed(house, networks, text):
    with pytest.raises(InvalidParameter, match=text):
        house.controller.validate(house.request("web", *networks))


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"mac": "02:00"}, "invalid MAC address 02:00"),
        (
            {"driver_opts": ((ENDPOINT_SYSCTLS, "net.ipv4.conf.eth0.x=1"),)},
            "unrecognised network interface sysctl",
        ),
        ({"aliases": ("www",)}, "network-scoped aliases are only supported for user-defined networks"),
    ],
)
def test_endpoint_settings_that_cannot_be(house, wish, config, text):
    with pytest.raises(InvalidParameter, match=text):
        house.controller.validate(house.request("web", wish("bridge", **config)))


def test_endpoint_settings_that_can_be(house):
    config = EndpointConfig(
        mac="02-00-00-00-00-01", driver_opts=((ENDPOINT_SYSCTLS, "net.ipv4.conf.IFNAME.log_martians=1"),)
    )
    house.controller.validate(house.request("web", EndpointRequest("bridge", config)))


def test_a_container_that_shares_a_namespace_joins_nothing(house):
    front = house.network("front")
    for mode in ("host", "container:web"):
        with pytest.raises(InvalidParameter, match=r"container sharing network namespace"):
            check_mode(mode, (), front)
    check_mode("bridge", ("bridge",), front)
