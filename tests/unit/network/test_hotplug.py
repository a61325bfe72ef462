"""Hot plugging: gateway and published ports move over, and a failure anywhere changes nothing."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.blueprint.facts import Publish
from linkspan.blueprint.parts import Route, VethPair
from linkspan.model.errors import Forbidden, InvalidParameter, LinkspanError, NotFound
from linkspan.model.network import EndpointRequest
from linkspan.model.ports import PublishRequest


@pytest.fixture
def web(house):
    """A container on network "middle" with a fixed and a chosen port; "alpha" and "zulu" wait for it."""
    house.network("middle", "10.5.0.0/24")
    house.network("alpha", "10.1.0.0/24")
    house.network("zulu", "10.9.0.0/24")
    return house.join("web", "middle", publish=[(8080, 80), PublishRequest("tcp", 90)])


def routes(house):
    return [str(part.gateway) for part in house.kernel.of(Route)]


def targets(house):
    return {str(fact.endpoint_address) for fact in house.firewall.of(Publish)}


def test_a_network_later_in_the_alphabet_does_not_take_the_gateway(house, web):
    grown = house.controller.connect(web.container, EndpointRequest("zulu"))
    assert [(e.network_name, e.link) for e in grown.endpoints] == [("middle", "eth0"), ("zulu", "eth1")]
    assert grown.gateway_endpoint.network_name == "middle"
    assert (routes(house), targets(house)) == (["10.5.0.1"], {"10.5.0.2"})


def test_gateway_and_ports_move_to_the_better_network_and_back(house, web):
    grown = house.controller.connect(web.container, EndpointRequest("alpha"))
    assert grown.gateway_endpoint.network_name == "alpha"
    assert grown.bindings == web.bindings
    assert (routes(house), targets(house)) == (["10.1.0.1"], {"10.1.0.2"})
    assert {str(listener.target_address) for listener in house.proxy.served} == {"10.1.0.2"}
    shrunk = house.controller.disconnect(web.container.id, "alpha", False)
    assert shrunk == web
    assert (routes(house), targets(house)) == (["10.5.0.1"], {"10.5.0.2"})


def test_gateway_priority_goes_before_the_name(house, web, wish):
    grown = house.controller.connect(web.container, wish("zulu", gw_priority=1))
    assert grown.gateway_endpoint.network_name == "zulu"


def test_an_internal_network_never_is_the_gateway(house, web):
    house.network("aa", "10.2.0.0/24", internal=True)
    grown = house.controller.connect(web.container, EndpointRequest("aa"))
    assert grown.gateway_endpoint.network_name == "middle"
    assert grown.endpoints[1].gateway4 is None


def test_the_last_network_gone_nothing_is_published_and_all_comes_back(house, web):
    before = house.snapshot()
    bare = house.controller.disconnect(web.container.id, "middle")
    assert (bare.endpoints, bare.bindings, bare.gateway) == ((), (), "")
    assert not house.proxy.served and not house.firewall.of(Publish) and not house.ports.held()
    house.controller.connect(web.container, EndpointRequest("middle"))
    assert targets(house) == {"10.5.0.2"}
    assert len(house.snapshot()["ports"]) == len(before["ports"])


@pytest.mark.parametrize("network", ["alpha", "zulu"])
def test_a_failure_at_any_step_of_connecting_changes_nothing(house, web, network):
    before = house.snapshot()
    house.faults.arm(0)
    house.controller.connect(web.container, EndpointRequest(network))
    steps = len(house.faults.calls)
    house.controller.disconnect(web.container.id, network)
    before["leases"] = {}
    for step in range(1, steps + 1):
        house.faults.arm(step)
        with pytest.raises(LinkspanError, match=r"Input/output error"):
            house.controller.connect(web.container, EndpointRequest(network))
        after = house.snapshot() | {"leases": {}}
        assert after == before, f"step {step} changed something"


def test_disconnecting_that_cannot_move_the_ports_changes_nothing(house, web):
    house.controller.connect(web.container, EndpointRequest("alpha"))
    before = house.snapshot()
    house.faults.arm(0)
    house.proxy.busy = {8080}
    with pytest.raises(LinkspanError, match=r"address already in use"):
        house.controller.disconnect(web.container.id, "alpha")
    house.proxy.busy = set()
    after = house.snapshot()
    assert after["facts"] == before["facts"] and after["members"] == before["members"]
    assert after["ports"] == before["ports"] and after["intents"] == []


def test_force_gives_the_ports_up_rather_than_staying(house, web):
    house.controller.connect(web.container, EndpointRequest("alpha"))
    house.proxy.busy = {8080}
    shrunk = house.controller.disconnect(web.container.id, "alpha", True)
    assert [e.network_name for e in shrunk.endpoints] == ["middle"] and shrunk.bindings == ()
    assert not house.proxy.served and not house.ports.held()


def test_disconnecting_removes_link_and_address(house, web):
    house.controller.connect(web.container, EndpointRequest("zulu"))
    house.controller.disconnect(web.container.id, "zulu")
    assert len(house.kernel.of(VethPair)) == 1
    assert house.store.leases(house.controller.network("zulu").id) == {}
    assert ip_address("10.9.0.2") in house.kernel.flushed


def test_a_freed_interface_number_is_used_again(house, web):
    house.controller.connect(web.container, EndpointRequest("zulu"))
    house.controller.disconnect(web.container.id, "middle")
    grown = house.controller.connect(web.container, EndpointRequest("alpha"))
    assert [e.link for e in grown.endpoints] == ["eth1", "eth0"]


def test_refusals(house, web):
    web_id = web.container.id
    with pytest.raises(Forbidden, match=r"^endpoint with name web already exists in network middle$"):
        house.controller.connect(web.container, EndpointRequest("middle"))
    with pytest.raises(Forbidden, match=rf"^container {web_id} is not connected to network alpha$"):
        house.controller.disconnect(web_id, "alpha")
    with pytest.raises(InvalidParameter, match=r"^cannot connect container to host network"):
        house.controller.connect(web.container, EndpointRequest("host"))
    with pytest.raises(InvalidParameter, match=r"one of the networks in private"):
        house.controller.connect(web.container, EndpointRequest("none"))
    with pytest.raises(NotFound, match=r"^network nope not found$"):
        house.controller.connect(web.container, EndpointRequest("nope"))
    loner = house.join("loner", "none")
    with pytest.raises(InvalidParameter, match=r"one of the networks in private"):
        house.controller.connect(loner.container, EndpointRequest("alpha"))
    sharer = house.join("sharer", "host")
    with pytest.raises(InvalidParameter, match=r"^container sharing network namespace"):
        house.controller.connect(sharer.container, EndpointRequest("alpha"))


def test_a_fixed_address_is_given_once(house, web, wish):
    with pytest.raises(Forbidden, match=r"^Address already in use \(by container web\)$"):
        house.join("db") and house.controller.connect(
            house.join("db", "zulu").container, wish("middle", ipv4="10.5.0.2")
        )
    with pytest.raises(InvalidParameter, match=r"no configured subnet contains IP address 10.7.0.2"):
        house.controller.connect(house.join("db", "zulu").container, wish("middle", ipv4="10.7.0.2"))
