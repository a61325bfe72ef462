"""The DHCP IPAM driver: a lease before the endpoint, a keeper beside it, nothing left behind."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_interface

import pytest

from linkspan.blueprint.parts import SubLink
from linkspan.model.errors import LinkspanError, Unavailable
from linkspan.network.controller import Controller
from linkspan.path.dhcp.client import Lease


class FakeClient:
    """Gives .50, .51 and so on; its keepers are a set, which outlives the daemon."""

    def __init__(self) -> None:
        self.next = 50
        self.kept: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.answers = True

    def ask(self, owner: str, sandbox: str, link: str, hostname: str) -> Lease:
        if not self.answers:
            raise Unavailable("nobody answers")
        self.asked.append((sandbox, link))
        self.next += 1
        return Lease(ip_interface(f"10.0.0.{self.next - 1}/24"), IPv4Address("10.0.0.9"))

    def keep(self, owner: str, sandbox: str, link: str, hostname: str, address: IPv4Address) -> None:
        self.kept[owner] = str(address)

    def keeps(self, owner: str) -> bool:
        return owner in self.kept

    def owners(self) -> list[str]:
        return sorted(self.kept)

    def release(self, owner: str) -> None:
        self.kept.pop(owner, None)


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def lan(house, client, monkeypatch):
    """A house with a macvlan network on eth0, whose addresses come from the client."""

    def controller() -> Controller:
        return Controller(house.store, house.kernel, house.firewall, house.proxy, house.settings, client)

    monkeypatch.setattr(house, "_controller", controller)
    house.restart()
    house.kernel.give("eth0", "veth")
    house.network("lan", driver="macvlan", ipam_driver="dhcp", options=(("parent", "eth0"),))
    return house


def test_an_endpoint_has_what_the_server_gave(lan, client):
    endpoint = lan.join("web", "lan").endpoints[0]
    assert str(endpoint.ipv4) == "10.0.0.50/24" and str(endpoint.gateway4) == "10.0.0.9"
    assert client.kept == {endpoint.id: "10.0.0.50"}
    probe = next(iter(client.asked))[0]
    assert probe.endswith(f"netns/dhcp-{endpoint.id[:12]}")
    assert [part.sandbox for part in lan.kernel.of(SubLink)] == [endpoint.sandbox], "the probe's link is gone"
    first = endpoint.mac
    lan.controller.leave(endpoint.container_id)
    assert client.kept == {}
    assert lan.join("web", "lan").endpoints[0].mac == first
    assert lan.join("other", "lan").endpoints[0].mac != first


def test_nothing_is_left_when_no_server_answers(lan, client):
    client.answers = False
    before = lan.snapshot()
    with pytest.raises(LinkspanError, match="network lan: nobody answers"):
        lan.join("web", "lan")
    assert lan.snapshot() == before


def test_whatever_fails_no_keeper_is_left(lan, client):
    lan.faults.arm(0)
    lan.join("web", "lan")
    calls = len(lan.faults.calls)
    lan.controller.leave(lan.controller.sandboxes()[0].container.id)
    for at in range(1, calls + 1):
        lan.faults.arm(at)
        with pytest.raises(LinkspanError):
            lan.join("web", "lan")
        assert client.kept == {}, f"after a failure of {lan.faults.calls[at - 1]}"
    lan.faults.arm(0)


def test_a_start_renews_what_stands_and_releases_the_rest(lan, client):
    endpoint = lan.join("web", "lan").endpoints[0]
    client.kept = {"stray": "10.0.0.99"}
    lan.restart()
    assert client.kept == {endpoint.id: "10.0.0.50"}


def test_hot_plugging(lan, client):
    lan.network("back")
    sandbox = lan.join("web", "back")
    assert client.kept == {}
    grown = lan.controller.connect(sandbox.container, lan.request("web", "lan").endpoints[0])
    assert client.kept == {grown.endpoints[1].id: "10.0.0.50"}
    lan.controller.disconnect(sandbox.container.id, "lan")
    assert client.kept == {}


def test_published_ports_mean_nothing_on_a_lan(lan):
    assert lan.join("web", "lan", publish=((8080, 80),)).bindings == ()
