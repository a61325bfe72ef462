"""Sandboxes: what a container gets, what a failure leaves (nothing), and what its end takes away (all)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.blueprint.facts import DirectAccessDrop, LoopbackOnly, Publish
from linkspan.blueprint.listeners import Listener
from linkspan.blueprint.parts import Address, Route, Sysctl, VethPair
from linkspan.model.errors import LinkspanError
from linkspan.model.ports import PortBinding, PublishRequest
from linkspan.model.sandbox import SandboxRequest

ANY4, ANY6 = ip_address("0.0.0.0"), ip_address("::")


def test_three_containers_get_the_first_addresses_of_docker0_in_order(house):
    sandboxes = [house.join(name) for name in ("web", "db", "cache")]
    assert [str(s.endpoints[0].ipv4) for s in sandboxes] == [
        "172.17.0.2/16",
        "172.17.0.3/16",
        "172.17.0.4/16",
    ]
    assert [s.endpoints[0].link for s in sandboxes] == ["eth0"] * 3
    assert len({s.endpoints[0].host_link for s in sandboxes}) == 3


def test_an_endpoint_has_link_address_route_and_no_ipv6(house):
    sandbox = house.join("web")
    endpoint = sandbox.endpoints[0]
    key = sandbox.key
    pair = house.kernel.of(VethPair)[0]
    assert (pair.name, pair.sandbox, pair.bridge, pair.mac) == ("eth0", key, "docker0", endpoint.mac)
    assert pair.owner == f"linkspan:endpoint:{endpoint.id}:web"
    assert not pair.hairpin
    assert Address("eth0", endpoint.ipv4, key) in house.kernel.parts
    assert Route("eth0", ip_address("172.17.0.1"), None, key) in house.kernel.parts
    assert Sysctl("net.ipv6.conf.eth0.disable_ipv6", "1", key, needed=False) in house.kernel.parts
    assert house.firewall.of(DirectAccessDrop) == [DirectAccessDrop(endpoint.ipv4.ip, "docker0")]


def test_a_published_port_is_one_fact_and_a_listener_in_each_family(house):
    sandbox = house.join("web", publish=[(8080, 80)])
    target = sandbox.endpoints[0].ipv4.ip
    assert sandbox.bindings == (PortBinding("tcp", ANY4, 8080, 80), PortBinding("tcp", ANY6, 8080, 80))
    assert house.firewall.of(Publish) == [Publish("tcp", ANY4, 8080, target, 80, "docker0")]
    assert house.proxy.served == {
        Listener("tcp", ANY4, 8080, target, 80),
        Listener("tcp", ANY6, 8080, target, 80),
    }


def test_a_thousand_single_ports_are_one_fact(house):
    sandbox = house.join("web", publish=[(port, port) for port in range(8000, 9000)])
    assert [b.count for b in sandbox.bindings] == [1000, 1000]
    assert [fact.count for fact in house.firewall.of(Publish)] == [1000]
    assert {listener.count for listener in house.controller.wanted.listeners(sandbox)} == {1000}
    assert len(house.proxy.served) == 2000


def test_the_filter_stands_before_the_proxy_serves_and_the_sockets_are_bound_first(house):
    house.faults.arm(0)
    house.join("web", publish=[(8080, 80)])
    assert house.faults.calls == ["create_sandbox", "apply", "reserve", "firewall add", "serve"]


def test_a_port_published_on_loopback_is_guarded(house):
    lo = ip_address("127.0.0.1")
    house.join("web", publish=[PublishRequest("tcp", 80, lo, 8080, 8080)])
    assert house.firewall.of(LoopbackOnly) == [LoopbackOnly("tcp", lo, 8080)]
    assert {listener.host_address for listener in house.proxy.served} == {lo}


def test_an_ipv6_host_address_reaches_an_ipv4_container_through_the_proxy_alone(house):
    sandbox = house.join("web", publish=[PublishRequest("tcp", 80, ANY6, 8080, 8080)])
    assert [b.host_address for b in sandbox.bindings] == [ANY6]
    assert house.firewall.of(Publish) == []
    assert [str(listener.target_address) for listener in house.proxy.served] == ["172.17.0.2"]


def test_without_the_proxy_ipv6_is_not_published_for_an_ipv4_container(build):
    house = build(userland_proxy=False)
    sandbox = house.join("web", publish=[(8080, 80)])
    assert [b.host_address for b in sandbox.bindings] == [ANY4]
    assert house.firewall.of(Publish)[0].own_bridge
    assert house.kernel.of(VethPair)[0].hairpin


def test_host_mode_needs_nothing_of_the_kernel(house):
    before = house.kernel.parts[:]
    sandbox = house.join("web", "host", publish=[(8080, 80)])
    assert (sandbox.key, sandbox.bindings, sandbox.gateway) == ("", (), "")
    assert [endpoint.network_name for endpoint in sandbox.endpoints] == ["host"]
    assert house.kernel.parts == before and not house.kernel.sandboxes and not house.proxy.served


def test_none_mode_has_a_namespace_and_nothing_in_it(house):
    before = house.kernel.parts[:]
    sandbox = house.join("web", "none")
    assert [str(path) for path in house.kernel.sandboxes] == [sandbox.key]
    assert house.kernel.parts == before


def test_leaving_takes_everything_away_and_may_be_repeated(house):
    before = house.snapshot()
    house.join("web", publish=[(8080, 80), PublishRequest("udp", 53)])
    container = house.request("web").container.id
    house.controller.leave(container)
    house.controller.leave(container)
    assert house.snapshot() == before
    assert ip_address("172.17.0.2") in house.kernel.flushed


def test_a_freed_address_is_the_next_one_given(house):
    house.join("web")
    house.join("db")
    house.controller.leave(house.request("web").container.id)
    assert str(house.join("cache").endpoints[0].ipv4.ip) == "172.17.0.2"


def test_joining_again_replaces_the_sandbox(house):
    house.join("web", publish=[(8080, 80)])
    house.join("web", publish=[(8080, 80)])
    assert len(house.controller.endpoints(house.controller.network("bridge").id)) == 1
    assert len(house.kernel.sandboxes) == 1


def joined_twice(house):
    house.network("front", "10.9.0.0/24")
    publish = [(8080, 80), PublishRequest("udp", 53), PublishRequest("tcp", 90, None, 9000, 9010)]
    return house.request("web", "bridge", "front", publish=publish)


def test_a_failure_at_any_step_of_joining_leaves_nothing(house):
    request = joined_twice(house)
    before = house.snapshot()
    house.faults.arm(0)
    house.controller.join(request)
    steps = len(house.faults.calls)
    house.controller.leave(request.container.id)
    assert house.snapshot() == before
    for step in range(1, steps + 1):
        house.faults.arm(step)
        with pytest.raises(LinkspanError, match=r"^failed to set up .*Input/output error"):
            house.controller.join(request)
        assert house.snapshot() == before, f"step {step} left something"
    assert steps == 6


def test_what_is_prepared_beside_a_join_that_fails_is_taken_back(house):
    request = joined_twice(house)
    story = []

    def prepared(sandbox):
        assert sandbox.key in {str(path) for path in house.kernel.sandboxes}
        assert not house.proxy.served and house.ports.held() == []
        story.append("prepared")
        return lambda: story.append("taken back" if house.kernel.sandboxes else "too late")

    house.controller.join(request, prepared)
    assert story == ["prepared"]
    house.controller.leave(request.container.id)
    told = {}
    for step in range(1, 7):
        story.clear()
        house.faults.arm(step)
        with pytest.raises(LinkspanError):
            house.controller.join(request, prepared)
        told[step] = tuple(story)
    both = ("prepared", "taken back")
    assert told == {1: (), 2: (), 3: both, 4: both, 5: both, 6: both}


@pytest.mark.parametrize("at", ["put_sandbox", "begin", "lease"])
def test_a_store_that_fails_leaves_nothing(house, monkeypatch, at):
    request = joined_twice(house)
    before = house.snapshot()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    owner = house.controller._registry if at == "put_sandbox" else house.store
    monkeypatch.setattr(owner, at, fail, raising=True)
    with pytest.raises(LinkspanError, match=r"No space left on device"):
        house.controller.join(request)
    monkeypatch.undo()
    assert house.snapshot() == before


def test_tearing_down_goes_on_after_errors(house):
    request = joined_twice(house)
    house.controller.join(request)
    house.faults.arm(1)
    with pytest.raises(LinkspanError, match=r"tearing down the network of web: doing firewall remove"):
        house.controller.leave(request.container.id)
    assert not house.kernel.sandboxes and not house.proxy.served
    assert house.controller.sandbox(request.container.id) is None
    assert house.ports.held() == []


def test_a_port_that_is_published_already_is_refused_in_dockers_words(house):
    house.join("web", publish=[(8080, 80)])
    before = house.snapshot()
    with pytest.raises(LinkspanError) as caught:
        house.join("other", publish=[(8080, 80)])
    text = str(caught.value)
    assert text.startswith(
        "failed to set up container networking: driver failed programming external connectivity"
        " on endpoint other ("
    )
    assert text.endswith("): Bind for 0.0.0.0:8080 failed: port is already allocated (by container web)")
    assert caught.value.status == 500
    assert house.snapshot() == before


def test_a_port_of_another_program_is_refused_in_dockers_words(house):
    house.proxy.busy = {80}
    before = house.snapshot()
    with pytest.raises(LinkspanError, match=r"bind host port 0\.0\.0\.0:80/tcp: address already in use"):
        house.join("web", publish=[(80, 80)])
    assert house.snapshot() == before


def test_a_range_to_one_port_takes_the_first_that_is_free(house):
    house.join("web", publish=[(8000, 80)])
    house.proxy.busy = {8001}
    sandbox = house.join("db", publish=[PublishRequest("tcp", 80, None, 8000, 8010)])
    assert {binding.host_port for binding in sandbox.bindings} == {8002}


def test_an_unknown_network_is_refused_at_start(house):
    with pytest.raises(
        LinkspanError, match=r"^failed to set up container networking: network nope not found$"
    ) as e:
        house.join("web", "nope")
    assert e.value.status == 404


def test_the_kernel_settings_of_a_request_come_after_the_links(house):
    request = house.request("web")
    house.controller.join(
        SandboxRequest(request.container, "bridge", sysctls=(("net.ipv4.ip_forward", "1"),))
    )
    assert house.kernel.parts[-1] == Sysctl("net.ipv4.ip_forward", "1", house.controller.sandboxes()[0].key)


def test_names_on_a_user_defined_network(house, wish):
    house.network("front")
    sandbox = house.join("web", wish("front", aliases=("www", "web")))
    assert sandbox.endpoints[0].dns_names == ("web", "www", sandbox.container.id[:12])
    renamed = house.controller.rename(sandbox.container.id, "site")
    assert renamed.endpoints[0].dns_names[0] == "site"
    assert house.join("db").endpoints[0].dns_names == ()
