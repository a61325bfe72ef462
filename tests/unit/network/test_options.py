"""The options of a bridge network: Docker's keys, defaults and refusals."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Network
from linkspan.network.options import BRIDGE, HOST_SOURCE, IFACE_PREFIX, MTU, BridgeOptions, bridge_options


def read(internal=False, **options):
    keys = {"mtu": MTU, "prefix": IFACE_PREFIX, "source4": HOST_SOURCE[4], "source6": HOST_SOURCE[6]}
    pairs = tuple((keys.get(key, BRIDGE + key), value) for key, value in options.items())
    return bridge_options(Network("n", "n", "bridge", "", internal=internal, options=pairs))


def test_the_defaults_are_dockers():
    assert read() == BridgeOptions()
    assert read(mtu="0", enable_icc="") == BridgeOptions()


def test_everything_given():
    options = read(
        enable_icc="False",
        enable_ip_masquerade="0",
        inhibit_ipv4="t",
        host_binding_ipv4="127.0.0.1",
        mtu="1400",
        gateway_mode_ipv6="routed",
        trusted_host_interfaces="vpn0:eth1",
        prefix="net",
        source4="10.0.0.5",
    )
    assert (options.icc, options.masquerade, options.inhibit_ipv4, options.mtu) == (False, False, True, 1400)
    assert (options.mode(4), options.mode(6)) == ("nat", "routed")
    assert (options.source(4), options.source(6)) == (ip_address("10.0.0.5"), None)
    assert options.host_binding == ip_address("127.0.0.1")
    assert (options.trusted, options.interface_prefix) == (("vpn0", "eth1"), "net")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"enable_icc": "maybe"}, 'parsing "maybe": invalid syntax'),
        ({"mtu": "many"}, 'parsing "many": invalid syntax'),
        ({"mtu": "12"}, "invalid MTU 12"),
        ({"gateway_mode_ipv4": "odd"}, "unknown gateway mode odd"),
        ({"gateway_mode_ipv4": "isolated"}, "can only be used for an internal network"),
        ({"host_binding_ipv4": "here"}, "invalid value here for com.docker.network.bridge.host_binding_ipv4"),
    ],
)
def test_what_cannot_be(options, text):
    with pytest.raises(InvalidParameter) as caught:
        read(**options)
    assert text in str(caught.value)


def test_isolated_is_for_internal_networks():
    assert read(internal=True, gateway_mode_ipv4="isolated").mode(4) == "isolated"
