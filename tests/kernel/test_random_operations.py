"""Random operations on a real kernel, failures injected: model, records and kernel agree after each of them.

The model is a dictionary. What stands is asked of the kernel itself (links and their owners, mounted
namespaces, neighbours that answer) and of the audit, which compares every part, fact and socket.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from linkspan.firewall.iptables import IptablesFirewall
from linkspan.firewall.nftables import NftablesFirewall
from linkspan.kernel.host import HostKernel
from linkspan.model.errors import KernelError, LinkspanError
from linkspan.model.network import EndpointConfig, EndpointRequest, NetworkSpec, PoolRequest
from linkspan.model.ports import PublishRequest
from linkspan.model.sandbox import ContainerIdentity, SandboxRequest
from linkspan.network.controller import Controller
from linkspan.network.egress import EGRESS
from linkspan.network.rates import RATE
from linkspan.network.settings import NetworkSettings
from linkspan.path.proxy.client import ProxyClient
from linkspan.store.database import Store

NETWORKS, CONTAINERS = ("alpha", "beta", "gamma"), ("web", "db", "cache")
ADAPTERS = ("create_sandbox", "apply", "announce", "add", "reserve", "serve")
ALLOWED = (ip_network("10.0.0.0/8"),)
RATED = EndpointConfig(driver_opts=((RATE, "10mbit"),))


@dataclass
class Fault:
    """The call that fails next, once, before it has done anything; 0 is none."""

    countdown: int = 0


class Failing:
    """An adapter whose calls fail when it is their turn."""

    def __init__(self, adapter: Any, fault: Fault) -> None:
        self._adapter, self._fault = adapter, fault

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._adapter, name)
        if name not in ADAPTERS:
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._fault.countdown -= 1
            if self._fault.countdown == 0:
                raise KernelError(f"doing {name}", 5, "Input/output error")
            return found(*arguments, **named)

        return call


@dataclass
class House:
    """A controller on a throwaway host, and what should stand there."""

    host: Any
    directory: Path
    backend: str
    fault: Fault = field(default_factory=Fault)
    networks: set[str] = field(default_factory=set)
    attached: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kernel = self.host.call(HostKernel)
        journal = self.directory / "rules"
        made = NftablesFirewall() if self.backend == "nftables" else IptablesFirewall(journal=journal)
        self.firewall, self.proxy = made, ProxyClient(self.directory / "proxy.sock")
        self.open()

    def open(self) -> None:
        self.store = Store(self.directory / "state.db")
        adapters = (Failing(each, self.fault) for each in (self.kernel, self.firewall, self.proxy))
        options = NetworkSettings(exec_root=self.directory)
        self.controller = Controller(self.store, *adapters, options)
        self.do("start")

    def do(self, method: str, *arguments: Any) -> Any:
        return self.host.call(getattr(self.controller, method), *arguments)

    def restart(self) -> None:
        """What a crash of the daemon and its next start do."""
        self.store.close()
        self.open()

    def clear(self) -> None:
        self.fault.countdown = 0
        for name in list(self.attached):
            self.do("leave", identity(name).id)
        for name in list(self.networks):
            self.do("remove_network", name)
        self.networks.clear()
        self.attached.clear()

    def close(self) -> None:
        self.clear()
        self.proxy.shutdown()
        self.kernel.close()
        self.store.close()
        self.firewall.close()


def identity(name: str) -> ContainerIdentity:
    return ContainerIdentity(name.encode().hex().ljust(64, "0"), name)


def spec(name: str) -> NetworkSpec:
    """Three kinds of network: plain, dual stack, and one with a list of destinations."""
    number = NETWORKS.index(name)
    pools = (PoolRequest(ip_network(f"172.{20 + number}.0.0/24")),)
    if name == "beta":
        return NetworkSpec(name, enable_ipv6=True, pools=(*pools, PoolRequest(ip_network("fd00:22::/64"))))
    return NetworkSpec(name, pools=pools, options=((EGRESS, "192.0.2.0/24"),) if name == "gamma" else ())


def request(name: str, network: str) -> SandboxRequest:
    number = CONTAINERS.index(name)
    publish = (
        PublishRequest("tcp", 80, None, 8080 + number, 8080 + number, ALLOWED if number == 1 else ()),
        PublishRequest("udp", 53),
    )
    return SandboxRequest(identity(name), network, (EndpointRequest(network, RATED),), publish)


def perform(house: House, kind: str, name: str, network: str) -> None:
    """Do it, and note in the model what it has come to."""
    attached, container = house.attached, identity(name)
    match kind:
        case "create":
            house.do("create_network", spec(network))
            house.networks.add(network)
        case "remove":
            house.do("remove_network", network)
            house.networks.discard(network)
        case "join":
            attached.pop(name, None)  # what stands is removed first
            house.do("join", request(name, network))
            attached[name] = {network}
        case "leave":
            house.do("leave", container.id)
            attached.pop(name, None)
        case "connect":
            house.do("connect", container, EndpointRequest(network))
            attached[name].add(network)
        case "disconnect":
            house.do("disconnect", container.id, network)
            attached[name].discard(network)
        case "restart":
            house.restart()


def compare(house: House) -> None:
    """Ask the kernel what stands: exactly the model's."""
    links = house.host.call(house.kernel.links)
    ports = sorted(link.alias for link in links if link.name.startswith("veth"))
    sandboxes = {each.container.name: each for each in house.controller.sandboxes()}
    assert {
        name: {e.network_name for e in each.endpoints} for name, each in sandboxes.items()
    } == house.attached
    assert len(ports) == sum(map(len, house.attached.values()))
    assert len({port for port in ports if port}) == len(ports), "every port says whose it is"
    bridges = {link.name for link in links if link.name.startswith("br-")}
    assert bridges == {house.controller.network(name).bridge for name in house.networks}
    mounted = {path.name for path in (house.directory / "netns").glob("*")}
    assert mounted == {identity(name).id[:12] for name in house.attached}
    assert [verdict.text for verdict in house.do("audit", False)] == []


OPERATION = st.tuples(
    st.sampled_from(["create", "remove", "join", "join", "leave", "connect", "disconnect", "restart"]),
    st.sampled_from(CONTAINERS),
    st.sampled_from(NETWORKS),
    st.integers(0, 6),
)


@pytest.fixture(params=["iptables", "nftables"])
def house(request, topology, tmp_path) -> Iterator[House]:
    made = House(topology.host, tmp_path, request.param)
    try:
        yield made
    finally:
        made.close()


@given(operations=st.lists(OPERATION, min_size=8, max_size=16))
@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_model_records_and_kernel_agree_after_anything(house, operations):
    house.clear()
    for network in NETWORKS[:2]:
        perform(house, "create", "web", network)
    for kind, name, network, fault in operations:
        house.fault.countdown = fault if kind in ("create", "join", "connect") else 0
        with contextlib.suppress(LinkspanError, KeyError):
            perform(house, kind, name, network)
        house.fault.countdown = 0
        compare(house)


def test_what_does_not_agree_is_noticed(house):
    perform(house, "create", "web", "alpha")
    perform(house, "join", "web", "alpha")
    compare(house)
    link = house.controller.sandboxes()[0].endpoints[0].host_link
    house.host.run(f"ip link set {link} nomaster")
    with pytest.raises(AssertionError, match="its place in the bridge"):
        compare(house)
    house.do("audit", True)
    compare(house)
