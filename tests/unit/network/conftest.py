"""Recording adapters that hold everything in memory, and a house built on them, for tests of decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest

from linkspan.blueprint.facts import Fact
from linkspan.blueprint.listeners import Listener
from linkspan.blueprint.parts import Address, Bridge, Part, SubLink, VethPair
from linkspan.kernel.ways import Way
from linkspan.model.errors import KernelError
from linkspan.model.network import EndpointConfig, EndpointRequest, NetworkSpec, PoolRequest
from linkspan.model.ports import PublishRequest
from linkspan.model.sandbox import ContainerIdentity, Sandbox, SandboxRequest
from linkspan.network.controller import Controller
from linkspan.network.settings import NetworkSettings
from linkspan.path.proxy.client import AddressInUse
from linkspan.store.database import Store


@dataclass
class Faults:
    """Lets the n-th call of any adapter fail, once, before it has done anything."""

    at: int = 0
    calls: list[str] = field(default_factory=list)

    def call(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) == self.at:
            raise KernelError(f"doing {name}", 5, "Input/output error")

    def arm(self, at: int) -> None:
        self.calls.clear()
        self.at = at


@dataclass(frozen=True)
class FakeLink:
    name: str
    kind: str
    alias: str
    mtu: int
    mac: str = "02:00:00:00:00:99"


class FakeKernel:
    """Keeps what was applied; a namespace takes the parts inside it along when it goes."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.parts: list[Part] = []
        self.sandboxes: set[Path] = set()
        self.routes = [ip_network("10.0.2.0/24")]
        self.given: dict[str, FakeLink] = {}
        self.flushed: list[Any] = []
        self.announced: list[Any] = []
        self.mtu = 1500
        self.kept = 0
        self.kinds = {"macvlan", "ipvlan", "vlan"}

    def create_sandbox(self, path: Path, source: str = "") -> None:
        self.faults.call("create_sandbox")
        if path in self.sandboxes:
            raise KernelError(f"creating {path}", 17, "File exists")
        self.sandboxes.add(path)

    def remove_sandbox(self, path: Path) -> None:
        self.faults.call("remove_sandbox")
        self.sandboxes.discard(path)
        self.parts = [part for part in self.parts if getattr(part, "sandbox", "") != str(path)]

    def apply(self, parts: Sequence[Part]) -> None:
        self.faults.call("apply")
        self.parts += parts

    def remove(self, parts: Sequence[Part]) -> None:
        self.faults.call("remove")
        for part in parts:
            if isinstance(part, Bridge) and part.adopted:
                continue
            if isinstance(part, VethPair | Bridge) or (isinstance(part, SubLink) and not part.sandbox):
                self._delete_link(_link_name(part))
            elif part in self.parts:
                self.parts.remove(part)

    def _delete_link(self, name: str) -> None:
        """Delete a link, and with it the addresses and routes on either end."""
        inner = [(p.sandbox, p.name) for p in self.parts if isinstance(p, VethPair) and p.host_name == name]
        ends = [("", name), *inner]
        self.parts = [
            part
            for part in self.parts
            if _link_name(part) != name
            and (getattr(part, "sandbox", ""), getattr(part, "link", "")) not in ends
        ]

    def detach_links(self, parts: Sequence[Part]) -> None:
        self.faults.call("detach_links")
        self.parts = [part for part in self.parts if part not in parts]

    def link(self, name: str, sandbox: str = "") -> FakeLink | None:
        return next((link for link in self.links() if link.name == name), None)

    def links(self, sandbox: str = "") -> list[FakeLink]:
        bridges = [
            FakeLink(p.name, "bridge", p.owner, p.mtu)
            for p in self.parts
            if isinstance(p, Bridge) and not p.adopted
        ]
        veths = [FakeLink(p.host_name, "veth", p.owner, p.mtu) for p in self.parts if isinstance(p, VethPair)]
        others = [FakeLink(p.name, p.kind, p.owner, p.mtu) for p in self.of(SubLink) if not p.sandbox]
        return [*self.given.values(), *bridges, *veths, *others]

    def subnets_in_use(self) -> list[Any]:
        return [*self.routes, *(p.interface.network for p in self._host_parts())]

    def ways(self) -> list[Way]:
        return [
            *(Way(subnet, "eth0") for subnet in self.routes),
            *(Way(part.interface.network, part.link) for part in self._host_parts()),
        ]

    def host_addresses(self) -> list[Any]:
        return [part.interface for part in self._host_parts()]

    def addresses(self, link: str) -> list[Any]:
        return [part.interface for part in self._host_parts() if part.link == link]

    def knows(self, kind: str) -> bool:
        return kind in self.kinds

    def uplink_mtu(self) -> int:
        return self.mtu

    def keep_advertised_routes(self) -> None:
        self.kept += 1

    def in_sandbox(self, path: str, function: Callable[[], Any]) -> Any:
        return function()

    def announce(self, announcements: Sequence[Any]) -> None:
        self.announced += announcements

    def _host_parts(self) -> list[Address]:
        return [part for part in self.parts if isinstance(part, Address) and not part.sandbox]

    def flush_conntrack(self, *, addresses: Sequence[Any] = (), udp_ports: Sequence[Any] = ()) -> None:
        self.faults.call("flush_conntrack")
        self.flushed += [*addresses, *udp_ports]

    def give(self, name: str, kind: str) -> None:
        """Put a link on the host that is none of ours."""
        self.given[name] = FakeLink(name, kind, "", 1500)

    def of(self, kind: type) -> list[Any]:
        return [part for part in self.parts if isinstance(part, kind)]


def _link_name(part: Part) -> str:
    return getattr(part, "host_name", getattr(part, "name", ""))


class FakeFirewall:
    name = "fake"

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.facts: Counter[Fact] = Counter()

    def start(self, facts: Sequence[Fact] = ()) -> None:
        self.faults.call("firewall start")
        self.facts = Counter(facts)

    def add(self, facts: Sequence[Fact]) -> None:
        self.faults.call("firewall add")
        self.facts.update(facts)

    def remove(self, facts: Sequence[Fact]) -> None:
        self.faults.call("firewall remove")
        self.facts.subtract(facts)
        assert not -self.facts, "a fact was removed that was not there"
        self.facts += Counter()

    def of(self, kind: type) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def differences(self) -> list[str]:
        return []


def _singles(listener: Listener) -> Iterator[Listener]:
    for offset in range(listener.count):
        host, target = listener.host_port + offset, listener.target_port + offset
        yield replace(listener, host_port=host, target_port=target, count=1)


def _key(listener: Listener) -> tuple[Any, ...]:
    return listener.protocol, listener.host_address, listener.host_port


class FakeProxy:
    """Holds each port by itself, as the real one."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.busy: set[int] = set()
        self.reserved: list[tuple[Listener, ...]] = []
        self.served: set[Listener] = set()

    def reserve(self, listeners: Sequence[Listener], absent: bool = False) -> tuple[Listener, ...]:
        self.faults.call("reserve")
        for listener in listeners:
            for port in range(listener.host_port, listener.host_port + listener.count):
                if port in self.busy:
                    raise AddressInUse(listener, port)
        self.reserved.append(tuple(listeners))
        return self.reserved[-1]

    def serve(self, reservation: tuple[Listener, ...]) -> None:
        self.faults.call("serve")
        self.reserved.remove(reservation)
        self.served.update(single for listener in reservation for single in _singles(listener))

    def release(self, reservation: tuple[Listener, ...]) -> None:
        if reservation in self.reserved:
            self.reserved.remove(reservation)

    def close(self, listeners: Sequence[Listener]) -> None:
        self.faults.call("close")
        keys = {_key(single) for listener in listeners for single in _singles(listener)}
        self.served = {listener for listener in self.served if _key(listener) not in keys}

    def listeners(self) -> list[Listener]:
        return sorted(self.served, key=str)


class House:
    """A controller on recording adapters, and what a test asks of it."""

    def __init__(self, directory: Path, settings: NetworkSettings) -> None:
        self.directory = directory
        self.settings = settings
        self.faults = Faults()
        self.kernel = FakeKernel(self.faults)
        self.firewall = FakeFirewall(self.faults)
        self.proxy = FakeProxy(self.faults)
        self.store = Store(directory / "state.db")
        self.controller = self._controller()
        self.controller.start()

    def _controller(self) -> Controller:
        return Controller(self.store, self.kernel, self.firewall, self.proxy, self.settings)

    def restart(self, settings: NetworkSettings | None = None) -> Controller:
        """Kill the daemon: what it had in memory is gone, and a new one starts on the same host."""
        self.settings = settings or self.settings
        self.proxy.reserved.clear()
        self.store.close()
        self.store = Store(self.directory / "state.db")
        self.controller = self._controller()
        self.controller.start()
        return self.controller

    def network(self, name: str, *subnets: str, **fields: Any) -> Any:
        pools = tuple(PoolRequest(ip_network(subnet)) for subnet in subnets)
        return self.controller.create_network(NetworkSpec(name, pools=pools, **fields))

    def join(self, name: str, *networks: str | EndpointRequest, publish: Sequence[Any] = ()) -> Sandbox:
        """Join container `name`; publishes are PublishRequests or (host port, container port)."""
        return self.controller.join(self.request(name, *networks, publish=publish))

    def request(
        self, name: str, *networks: str | EndpointRequest, publish: Sequence[Any] = ()
    ) -> SandboxRequest:
        wishes = tuple(n if isinstance(n, EndpointRequest) else EndpointRequest(n) for n in networks)
        ports = tuple(
            p if isinstance(p, PublishRequest) else PublishRequest("tcp", p[1], None, p[0], p[0])
            for p in publish
        )
        mode = wishes[0].network if wishes else "bridge"
        return SandboxRequest(identity(name), mode, wishes, ports)

    def snapshot(self) -> dict[str, Any]:
        """Everything that a failed request must leave as it was."""
        networks = self.controller.networks()
        registry = self.controller._registry
        return {
            "parts": sorted(map(str, self.kernel.parts)),
            "sandboxes": set(self.kernel.sandboxes),
            "facts": dict(self.firewall.facts),
            "served": set(self.proxy.served),
            "reserved": list(self.proxy.reserved),
            "leases": {n.id: self.store.leases(n.id) for n in networks},
            "memory": {
                (n.id, p.subnet.version): registry.leases(n.id, p.subnet.version).leased()
                for n in networks
                for p in n.pools
            },
            "members": {n.id: self.controller.endpoints(n.id) for n in networks},
            "sandbox documents": self.store.all("sandbox"),
            "networks": self.store.all("network"),
            "intents": self.store.intents(),
            "links": set(registry.host_links),
            "ports": sorted(map(str, self.ports.held())),
        }

    @property
    def ports(self) -> Any:
        return self.controller._sandboxes._publisher._ports


def identity(name: str, hostname: str = "") -> ContainerIdentity:
    return ContainerIdentity(id=name.encode().hex().ljust(64, "0"), name=name, hostname=hostname)


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., House]]:
    """Return a function that builds a house with the given settings; all namespaces count as mounted."""
    houses: list[House] = []

    def mounted(path: Path) -> bool:
        return any(path in each.kernel.sandboxes for each in houses)

    monkeypatch.setattr("linkspan.network.recovery.is_mounted", mounted)
    monkeypatch.setattr("linkspan.network.networks.resolver_subnets", list)

    def house(**settings: Any) -> House:
        directory = tmp_path / str(len(houses))
        houses.append(House(directory, NetworkSettings(exec_root=directory, **settings)))
        return houses[-1]

    yield house
    for each in houses:
        each.store.close()


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    """A house with Docker's default settings."""
    return build()


@pytest.fixture
def wish() -> Callable[..., EndpointRequest]:
    """Return a function that asks for an endpoint with a configuration."""

    def request(network: str, **config: Any) -> EndpointRequest:
        if isinstance(config.get("ipv4"), str):
            config["ipv4"] = ip_address(config["ipv4"])
        return EndpointRequest(network, EndpointConfig(**config))

    return request


@pytest.fixture
def address() -> Callable[[str], Any]:
    """Return the parser of an address with prefix length."""
    return ip_interface
