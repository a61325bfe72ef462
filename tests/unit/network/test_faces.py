"""Published ports of each family on the endpoint with its default route."""

from __future__ import annotations

import pytest

from linkspan.blueprint.facts import Publish
from linkspan.model.network import EndpointConfig, EndpointRequest


@pytest.fixture
def web(house):
    """A container whose IPv4 leads out by one network and IPv6 by another, with 80 published as 8080."""
    house.network("four", "10.9.0.0/24")
    house.network("both", "10.8.0.0/24", "fd00:8::/64", enable_ipv6=True)
    first = EndpointRequest("four", EndpointConfig(gw_priority=1))
    return house.join("web", first, "both", publish=[(8080, 80)])


def targets(house) -> dict[str, str]:
    return {str(fact.host_address): str(fact.endpoint_address) for fact in house.firewall.of(Publish)}


def test_each_family_goes_its_own_way(house, web):
    assert web.gateway_of(4).network_name == "four" and web.gateway_of(6).network_name == "both"
    assert targets(house) == {"0.0.0.0": "10.9.0.2", "::": "fd00:8::2"}
    assert {str(e.target_address) for e in house.proxy.served} == {"10.9.0.2", "fd00:8::2"}


def test_the_ports_of_a_family_move_alone(house, web):
    left = house.controller.disconnect(web.container.id, "both")
    assert left.gateway6 == "" and targets(house) == {"0.0.0.0": "10.9.0.2"}
    assert {str(e.target_address) for e in house.proxy.served} == {"10.9.0.2"}
    again = house.controller.connect(web.container, EndpointRequest("both"))
    assert again.gateway_of(6).network_name == "both"
    assert set(targets(house)) == {"0.0.0.0", "::"}


def test_leaving_and_restarting_know_both(house, web):
    house.restart()
    assert targets(house) == {"0.0.0.0": "10.9.0.2", "::": "fd00:8::2"}
    house.controller.leave(web.container.id)
    assert not targets(house) and not house.proxy.served


def test_one_network_for_both_is_the_usual_case(house):
    house.network("both", "10.8.0.0/24", "fd00:8::/64", enable_ipv6=True)
    sandbox = house.join("web", "both", publish=[(8080, 80)])
    assert sandbox.gateway6 == "" and sandbox.gateway_of(6) == sandbox.gateway_of(4)
