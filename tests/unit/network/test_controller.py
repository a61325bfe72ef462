"""The controller's door: look-ups, refusals without a sandbox, and what outlives a stop."""

from __future__ import annotations

import pytest

from linkspan.ipam.pools import DEFAULT_POOLS, AddressPool, parse_pool
from linkspan.model.errors import LinkspanError, NotFound
from linkspan.model.network import EndpointRequest


def test_stopping_leaves_everything(house):
    house.join("web", publish=[(8080, 80)])
    before = house.snapshot()
    house.controller.stop()
    assert house.snapshot() == before


def test_pools_are_dockers_or_the_given_ones(build):
    blocks = build().controller.default_address_pools
    assert blocks[:-1] == DEFAULT_POOLS and blocks[-1].base.version == 6
    house = build(default_address_pools=(parse_pool("base=10.10.0.0/16,size=24"),))
    assert str(house.network("a").pools[0].subnet) == "10.10.1.0/24"
    six = AddressPool(blocks[-1].base, 80)
    assert build(default_address_pools=(*DEFAULT_POOLS, six)).controller.default_address_pools[-1] == six


def test_without_a_sandbox_there_is_nothing_to_connect(house):
    request = house.request("web")
    assert house.controller.sandbox(request.container.id) is None
    assert house.controller.rename(request.container.id, "x") is None
    with pytest.raises(NotFound):
        house.controller.connect(request.container, EndpointRequest("bridge"))


def test_force_ends_with_the_records_right_even_if_the_kernel_refuses(house):
    house.network("front")
    sandbox = house.join("web", "front")
    house.faults.arm(2)
    rest = house.controller.disconnect(sandbox.container.id, "front", True)
    assert rest.endpoints == () and house.controller.endpoints(house.controller.network("front").id) == []


def test_without_force_a_refusal_of_the_kernel_is_told(house):
    house.network("front", internal=True)
    sandbox = house.join("web", "front")
    house.faults.arm(1)
    with pytest.raises(LinkspanError, match=r"^disconnecting web: doing (remove|flush_conntrack): Input"):
        house.controller.disconnect(sandbox.container.id, "front")


def test_a_container_does_not_leave_the_hosts_network(house):
    sandbox = house.join("web", "host")
    with pytest.raises(LinkspanError, match=r"cannot be disconnected from host network"):
        house.controller.disconnect(sandbox.container.id, "host")
