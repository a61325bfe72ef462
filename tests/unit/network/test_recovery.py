"""Start of the daemon: what stands is kept, what is missing made again, what belongs to nothing removed."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_address, ip_network
from pathlib import Path

import pytest

from linkspan.blueprint.listeners import Listener
from linkspan.blueprint.parts import Address, Bridge, Route, Sysctl, VethPair
from linkspan.model.errors import InvalidParameter, LinkspanError
from linkspan.model.network import EndpointRequest
from linkspan.network.settings import NetworkSettings


def settings(house, **changes):
    return NetworkSettings(exec_root=house.directory, **changes)


def test_the_first_start_makes_the_predefined_networks_and_docker0(house):
    assert [(n.name, n.driver) for n in house.controller.networks()] == [
        ("host", "host"),
        ("none", "null"),
        ("bridge", "bridge"),
    ]
    bridge = house.controller.network("bridge")
    assert (bridge.bridge, str(bridge.pools[0].subnet)) == ("docker0", "172.17.0.0/16")
    assert bridge.option("com.docker.network.bridge.default_bridge") == "true"
    assert Address("docker0", IPv4Interface("172.17.0.1/16")) in house.kernel.parts
    assert Sysctl("net.ipv4.ip_forward", "1") in house.kernel.parts


def test_predefined_networks_keep_their_ids(house):
    before = {n.name: n.id for n in house.controller.networks()}
    house.restart()
    assert {n.name: n.id for n in house.controller.networks()} == before


def test_a_restart_changes_nothing(house):
    house.network("front")
    house.join("web", "front", publish=[(8080, 80)])
    house.join("db", "host")
    before = house.snapshot()
    house.restart()
    after = house.snapshot()
    assert {key for key in before if before[key] != after[key]} <= {"parts"}
    house.faults.arm(0)
    assert str(house.join("third", "front").endpoints[0].ipv4.ip) == "172.18.0.3"


def test_a_rebooted_host_gets_its_bridges_again_and_forgets_the_sandboxes(house):
    network = house.network("front")
    sandbox = house.join("web", "front", publish=[(8080, 80)])
    house.kernel.parts.clear()
    house.kernel.sandboxes.clear()
    house.proxy.served.clear()
    house.restart()
    assert {part.name for part in house.kernel.of(Bridge)} == {"docker0", network.bridge}
    assert house.controller.sandbox(sandbox.container.id) is None
    assert house.store.leases(network.id) == {} and house.store.all("sandbox") == []
    assert house.controller.network("front") == network
    house.join("web", "front", publish=[(8080, 80)])


def test_links_and_listeners_of_nobody_are_removed(house):
    house.kernel.parts.append(
        VethPair("veth1234567", "eth0", "", "docker0", owner="linkspan:endpoint:gone:web")
    )
    house.kernel.parts.append(Bridge("br-gone", owner="linkspan:network:gone"))
    house.kernel.parts.append(Bridge("br-theirs"))
    house.kernel.given.clear()
    house.proxy.served.add(Listener("tcp", ip_address("0.0.0.0"), 80, ip_address("172.17.0.9"), 80))
    path = house.directory / "netns" / "0123456789ab"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    house.kernel.sandboxes.add(path)
    house.restart()
    assert house.kernel.of(VethPair) == [] and not house.proxy.served and not house.kernel.sandboxes
    assert {part.name for part in house.kernel.of(Bridge)} == {"docker0", "br-theirs"}


def test_lost_listeners_are_bound_again_and_a_port_taken_meanwhile_is_no_disaster(house, caplog):
    house.join("web", publish=[(8080, 80)])
    house.join("db", publish=[(5432, 432)])
    house.proxy.served.clear()
    house.proxy.busy = {5432}
    house.restart()
    assert {listener.host_port for listener in house.proxy.served} == {8080}
    assert "of db is missing, and cannot be repaired: failed to bind host port" in caplog.text


def test_an_interrupted_join_gives_its_address_back(house):
    network = house.network("front")
    house.store.lease(network.id, ip_address("172.18.0.2"), "never-committed")
    house.store.begin("join", {"container": "x", "key": ""})
    house.restart()
    assert house.store.leases(network.id) == {} and house.store.intents() == []
    assert str(house.join("web", "front").endpoints[0].ipv4.ip) == "172.18.0.2"


def test_an_interrupted_leave_is_finished(house):
    sandbox = house.join("web", publish=[(8080, 80)])
    path = Path(sandbox.key)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    house.store.begin("leave", {"container": sandbox.container.id, "key": sandbox.key})
    house.restart()
    assert house.controller.sandboxes() == [] and not house.kernel.sandboxes and not house.proxy.served
    assert house.ports.held() == []


def test_an_interrupted_disconnect_is_finished_and_the_gateway_right(house):
    house.network("alpha", "10.1.0.0/24")
    house.network("beta", "10.2.0.0/24")
    sandbox = house.join("web", "alpha", "beta", publish=[(8080, 80)])
    alpha = sandbox.endpoints[0]
    house.store.begin("disconnect", {"container": sandbox.container.id, "endpoint": alpha.id})
    house.restart()
    rest = house.controller.sandbox(sandbox.container.id)
    assert [e.network_name for e in rest.endpoints] == ["beta"]
    assert [str(route.gateway) for route in house.kernel.of(Route)] == ["10.2.0.1"]
    assert {str(listener.target_address) for listener in house.proxy.served} == {"10.2.0.2"}
    assert house.store.intents() == []


def test_an_interrupted_connect_is_taken_back(house):
    house.network("alpha", "10.1.0.0/24")
    house.network("beta", "10.2.0.0/24")
    sandbox = house.join("web", "beta")
    before = house.snapshot()
    house.controller.connect(sandbox.container, EndpointRequest("alpha"))
    grown = house.controller.sandbox(sandbox.container.id)
    house.controller._registry.put_sandbox(sandbox)
    house.store.begin("connect", {"container": sandbox.container.id, "endpoint": grown.endpoints[1].id})
    house.restart()
    after = house.snapshot()
    assert after["leases"] == before["leases"] and after["members"] == before["members"]
    assert [str(route.gateway) for route in house.kernel.of(Route)] == ["10.2.0.1"]
    assert len(house.kernel.of(VethPair)) == 1


def test_an_interrupted_network_removal_is_finished(house):
    network = house.network("front")
    house.store.begin("remove network", {"network": network.id})
    house.restart()
    assert [n.name for n in house.controller.networks()] == ["host", "none", "bridge"]
    assert {part.name for part in house.kernel.of(Bridge)} == {"docker0"}


def test_docker0_follows_the_settings(house):
    house.restart(
        settings(
            house,
            bip=IPv4Interface("10.50.0.1/16"),
            fixed_cidr=IPv4Network("10.50.3.0/24"),
            default_gateway=IPv4Address("10.50.0.9"),
            icc=False,
        )
    )
    present = [str(p.interface) for p in house.kernel.of(Address) if p.link == "docker0"]
    assert present == ["10.50.0.1/16"]
    endpoint = house.join("web").endpoints[0]
    assert (str(endpoint.ipv4), str(endpoint.gateway4)) == ("10.50.3.0/16", "10.50.0.9")


def test_docker0_moves_away_from_a_subnet_that_the_host_took_while_it_was_down(house):
    house.kernel.parts.clear()
    house.kernel.routes.append(ip_network("172.17.0.0/24"))
    house.restart()
    assert str(house.controller.network("bridge").pools[0].subnet) == "172.18.0.0/16"


def test_no_default_bridge(house):
    house.restart(settings(house, bridge="none"))
    assert [n.name for n in house.controller.networks()] == ["host", "none"]
    assert house.kernel.of(Bridge) == []


def test_a_bridge_of_the_users_is_adopted_with_its_address(house):
    house.kernel.give("br0", "bridge")
    house.kernel.parts.append(Address("br0", IPv4Interface("192.168.7.1/24")))
    house.restart(settings(house, bridge="br0"))
    network = house.controller.network("bridge")
    assert (network.bridge, network.adopted) == ("br0", True)
    assert network.pools[0].gateway == IPv4Address("192.168.7.1")
    assert house.kernel.of(Bridge) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"bridge": "br9"}, "bridge device with non default name br9 must be created manually"),
        (
            {"bip": IPv4Interface("10.9.0.1/24"), "fixed_cidr": IPv4Network("10.0.0.0/24")},
            "--fixed-cidr 10.0.0.0/24 is not within",
        ),
        ({"default_gateway": IPv4Address("10.0.0.1")}, "--default-gateway 10.0.0.1 is not within"),
    ],
)
def test_settings_that_cannot_be(house, changes, text):
    with pytest.raises(InvalidParameter, match=text):
        house.restart(settings(house, **changes))


def test_settings_without_forwarding(build):
    house = build(ip_forward=False)
    assert Sysctl("net.ipv4.ip_forward", "1") not in house.kernel.parts


def test_a_sandbox_on_a_network_that_is_gone_is_forgotten(house):
    network = house.network("front")
    house.join("web", "front")
    house.store.delete("network", network.id)
    house.restart()
    assert house.controller.sandboxes() == []


def test_a_repair_that_fails_is_logged_and_stops_nothing(house, caplog, monkeypatch):
    house.kernel.parts.append(
        VethPair("veth1234567", "eth0", "", "docker0", owner="linkspan:endpoint:gone:web")
    )

    def refuse(parts):
        raise ExceptionGroup("links", [OSError("busy")])

    monkeypatch.setattr(house.kernel, "remove", refuse)
    house.restart()
    assert "link veth1234567 belongs to nothing, and cannot be repaired: links" in caplog.text
    house.join("web")


def test_a_kernel_that_refuses_stops_the_start(house):
    house.faults.arm(1)
    with pytest.raises(LinkspanError, match="Input/output error"):
        house.restart()
    house.faults.arm(0)
    assert replace(house.settings) == house.settings
