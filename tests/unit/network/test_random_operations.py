"""Any sequence of operations, with failures injected anywhere, leaves kernel and records in agreement."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkspan.blueprint.parts import VethPair
from linkspan.model.errors import LinkspanError
from linkspan.model.network import EndpointRequest
from linkspan.network.registry import addresses

CONTAINERS, NETWORKS = ["web", "db", "cache"], ["alpha", "beta", "gamma"]
OPERATION = st.tuples(
    st.sampled_from(["create", "remove", "join", "leave", "connect", "disconnect", "restart"]),
    st.sampled_from(CONTAINERS),
    st.sampled_from(NETWORKS),
    st.integers(0, 9),
)


def perform(house, kind, container, network):
    controller, request = house.controller, house.request(container, network, publish=[(8080, 80)])
    match kind:
        case "create":
            house.network(network)
        case "remove":
            controller.remove_network(network)
        case "join":
            controller.join(request)
        case "leave":
            controller.leave(request.container.id)
        case "connect":
            controller.connect(request.container, EndpointRequest(network))
        case "disconnect":
            controller.disconnect(request.container.id, network)
        case "restart":
            house.restart()


def check(house):
    """Everything that stands belongs to a record, and every record stands."""
    sandboxes = house.controller.sandboxes()
    endpoints = [endpoint for sandbox in sandboxes for endpoint in sandbox.endpoints]
    wanted = house.controller.wanted
    facts = Counter(f for n in house.controller.networks() for f in wanted.network_facts(n))
    facts.update(fact for sandbox in sandboxes for fact in wanted.sandbox_facts(sandbox))
    assert house.firewall.facts == facts
    assert sorted(p.host_name for p in house.kernel.of(VethPair)) == sorted(e.host_link for e in endpoints)
    assert {str(path) for path in house.kernel.sandboxes} == {sandbox.key for sandbox in sandboxes}
    assert house.proxy.served == {each for sandbox in sandboxes for each in wanted.listeners(sandbox)}
    assert house.proxy.reserved == [] and house.store.intents() == []
    for network in house.controller.networks():
        leased = {address for e in endpoints if e.network_id == network.id for address in addresses(e)}
        assert set(house.store.leases(network.id)) == leased
        for pool in network.pools:
            memory = house.controller._registry.leases(network.id, pool.subnet.version).leased()
            assert set(memory) == leased
    bound = {(b.protocol, b.host_address, b.host_port) for s in sandboxes for b in s.bindings}
    assert set(house.ports.held()) == bound


@given(operations=st.lists(OPERATION, max_size=25))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_kernel_and_records_agree_after_anything(build, operations):
    house = build()
    for kind, container, network, fault in operations:
        again = kind == "join" and house.controller.sandbox(house.request(container).container.id)
        teardown = again or kind in ("remove", "leave", "disconnect", "restart")
        house.faults.arm(0 if teardown else fault)
        with contextlib.suppress(LinkspanError):
            perform(house, kind, container, network)
        house.faults.arm(0)
        check(house)


def test_the_operations_do_something(build):
    house = build()
    for kind in ("create", "join", "leave", "remove"):
        perform(house, kind, "web", "alpha")
    check(house)
    with pytest.raises(LinkspanError):
        perform(house, "remove", "web", "alpha")
