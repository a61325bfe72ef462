"""A named subnet that the host has a route into is refused, and the route is named."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from linkspan.kernel.ways import Way
from linkspan.model.errors import Forbidden
from linkspan.model.network import Network, Pool
from linkspan.network.overlaps import ALLOWED, refuse_overlaps


def network(*subnets, bridge="br-1", driver="bridge", internal=False, **options):
    pools = tuple(Pool(ip_network(subnet)) for subnet in subnets)
    return Network(
        "1", "n", driver, "", pools=pools, bridge=bridge, internal=internal, options=tuple(options.items())
    )


def way(text, link="eth0", **fields):
    return Way(ip_network(text), link, **fields)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (way("10.1.0.0/24"), "10.1.0.0/24 dev eth0"),
        (way("10.0.0.0/8", "tun0", gateway=ip_address("10.9.9.1")), "10.0.0.0/8 via 10.9.9.1 dev tun0"),
        (way("10.1.5.0/24", "wg0", table=51820), "10.1.5.0/24 dev wg0 table 51820"),
        (way("10.1.7.7/32", "lo", table=255, local=True), "local 10.1.7.7/32 dev lo"),
    ],
)
def test_a_route_in_the_way_is_named(found, told):
    with pytest.raises(Forbidden) as met:
        refuse_overlaps(network("10.1.0.0/16"), [way("172.16.0.0/12"), found])
    text = str(met.value)
    assert text.startswith("invalid pool request: subnet 10.1.0.0/16 overlaps with a route of this host (")
    assert f"({told})" in text


@pytest.mark.parametrize(
    "found",
    [
        way("0.0.0.0/0"),
        way("0.0.0.0/1", "tun0"),
        way("10.2.0.0/16"),
        way("10.1.0.0/16", "br-1"),
        way("fd00::/8"),
    ],
)
def test_what_is_not_in_the_way(found):
    refuse_overlaps(network("10.1.0.0/16"), [found])


@pytest.mark.parametrize(
    "harmless",
    [
        network("10.1.0.0/16", driver="macvlan"),
        network("10.1.0.0/16", **{ALLOWED: "true"}),
        network("10.1.0.0/16", **{"com.docker.network.bridge.inhibit_ipv4": "true"}),
        network("10.1.0.0/16", internal=True, **{"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}),
    ],
)
def test_networks_that_add_no_route_or_were_allowed_to(harmless):
    refuse_overlaps(harmless, [way("10.1.0.0/16")])


def test_both_families_are_looked_at():
    with pytest.raises(Forbidden, match="fd00:1::/64 overlaps"):
        refuse_overlaps(network("10.1.0.0/16", "fd00:1::/64"), [way("fd00::/16")])
