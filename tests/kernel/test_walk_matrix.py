"""The packet walks of published and unpublished ports as one matrix, through the real controller.

Family, gateway mode, userland proxy, inter-container communication and the seat of the client decide together
who is answered and which address the container sees. `expected` says it in one place, for every cell.

    internet 198.51.100.9 ── wan0 ┐        ┌ home  (the network under test) ── web: 80 published as 8080,
                              ├─ host ─┤                                       81 not; peer
    lan 10.0.0.9 ─────────── eth0 ┘        └ away  (a network in nat mode) ── stranger
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

import pytest

from linkspan.firewall.iptables import IptablesFirewall
from linkspan.firewall.nftables import NftablesFirewall
from linkspan.kernel.host import HostKernel
from linkspan.model.network import EndpointConfig, EndpointRequest, NetworkSpec, PoolRequest
from linkspan.model.ports import PublishRequest
from linkspan.model.sandbox import ContainerIdentity, SandboxRequest
from linkspan.network.controller import Controller
from linkspan.network.options import BRIDGE
from linkspan.network.settings import NetworkSettings
from linkspan.path.proxy.client import ProxyClient
from linkspan.store.database import Store

HOST = {4: "10.0.0.5", 6: "fd00:10::5"}
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
HOME = {4: "172.20.0", 6: "fd00:40:1:"}
AWAY = {4: "172.21.0", 6: "fd00:40:2:"}
WEB, PEER = 2, 3
PATIENCE = 0.35

SEATS = ("peer", "itself", "stranger", "host", "loopback", "lan")
MODES = ("nat", "nat-unprotected", "routed", "isolated")


def at(prefix: dict[int, str], family: int, number: int) -> str:
    """Return the address of one container (or of the gateway: 1)."""
    return f"{prefix[family]}{'.' if family == 4 else ':'}{number}"


@dataclass(frozen=True)
class World:
    """One combination of what is the same for all clients."""

    mode: str
    proxy: bool
    icc: bool
    backend: str

    def __str__(self) -> str:
        proxy = "proxy" if self.proxy else "noproxy"
        return f"{self.mode}-{proxy}-{'icc' if self.icc else 'noicc'}-{self.backend}"


@dataclass(frozen=True)
class Walk:
    """One question: from where, to which port of the host (8080) or of the container itself (80, 81)."""

    family: int
    seat: str
    port: int

    @property
    def direct(self) -> bool:
        return self.port != 8080

    def target(self) -> str:
        if self.direct:
            return at(HOME, self.family, WEB)
        return LOOPBACK[self.family] if self.seat == "loopback" else HOST[self.family]

    def __str__(self) -> str:
        return f"IPv{self.family} from {self.seat} to {self.target()} {self.port}"


WALKS = [
    Walk(family, seat, port)
    for family, seat, port in itertools.product((4, 6), SEATS, (8080, 80, 81))
    if not (seat == "loopback" and port != 8080)
]


def answered(world: World, walk: Walk) -> bool:
    """Tell whether the client gets an answer."""
    if walk.seat == "itself" and walk.direct:
        return True
    if walk.direct:
        return _direct(world, walk)
    if world.mode in ("routed", "isolated"):
        return False  # the host has no port
    if walk.seat == "loopback" and walk.family == 6:
        return world.proxy  # the kernel cannot translate ::1, only the proxy serves it
    return True


def _direct(world: World, walk: Walk) -> bool:
    """Tell whether the container's own address answers."""
    if walk.seat == "peer":
        return world.icc
    if walk.seat == "host":
        return world.mode != "isolated"  # the host has an address on the bridge, and nothing in the way
    if world.mode == "routed":
        return walk.port == 80
    return world.mode == "nat-unprotected"


def source(world: World, walk: Walk) -> str | None:
    """Return the address that the container sees; None where it is of no interest."""
    family, gateway = walk.family, at(HOME, walk.family, 1)
    if walk.direct:
        # A stranger's network is in nat mode: what leaves it comes from the host.
        own = {"peer": at(HOME, family, PEER), "lan": {4: "10.0.0.9", 6: "fd00:10::9"}[family]}
        return own.get(walk.seat, gateway if walk.seat in ("host", "stranger") else None)
    if walk.seat == "lan":
        return {4: "10.0.0.9", 6: "fd00:10::9"}[family]
    if walk.seat == "host":
        return HOST[family] if world.proxy else gateway
    return gateway


class House:
    """A controller in the topology's host, and everybody who asks."""

    def __init__(self, topology, directory: Path, world: World) -> None:
        self.topology, self.world = topology, world
        topology.dual_stack()
        self.host = topology.host
        settings = NetworkSettings(exec_root=directory, userland_proxy=world.proxy)
        self.store = Store(directory / "state.db")
        self.kernel = self.host.call(HostKernel)
        if world.backend == "nftables":
            self.firewall = NftablesFirewall(userland_proxy=world.proxy)
        else:
            self.firewall = IptablesFirewall(journal=directory / "rules", userland_proxy=world.proxy)
        self.proxy = ProxyClient(directory / "proxy.sock", userland_proxy=world.proxy)
        self.controller = Controller(self.store, self.kernel, self.firewall, self.proxy, settings)
        self.do("start")
        self.network("home", HOME, world)
        self.network("away", AWAY, World("nat", world.proxy, True, world.backend))
        self.web = self.join("web", "home", WEB, (PublishRequest("tcp", 80, None, 8080, 8080),))
        self.seats = {
            "itself": self.web,
            "peer": self.join("peer", "home", PEER),
            "stranger": self.join("stranger", "away", WEB),
            "host": self.host,
            "loopback": self.host,
            "lan": topology.lan,
        }
        self.web.serve(80, 81, family=socket.AF_INET6, dual=True)

    def do(self, method: str, *arguments):
        return self.host.call(getattr(self.controller, method), *arguments)

    def network(self, name: str, prefix: dict[int, str], world: World) -> None:
        options = {f"{BRIDGE}gateway_mode_ipv{family}": world.mode for family in (4, 6)}
        options[f"{BRIDGE}enable_icc"] = str(world.icc).lower()
        pools = (
            PoolRequest(ip_network(f"{prefix[4]}.0/24")),
            PoolRequest(ip_network(f"{prefix[6]}:/64")),
        )
        spec = NetworkSpec(
            name,
            enable_ipv6=True,
            internal=world.mode == "isolated",
            pools=pools,
            options=tuple(options.items()),
        )
        self.do("create_network", spec)

    def join(self, name: str, network: str, number: int, publish: tuple[PublishRequest, ...] = ()):
        container = ContainerIdentity(name.encode().hex().ljust(64, "0"), name)
        prefix = {"home": HOME, "away": AWAY}[network]
        config = EndpointConfig(IPv4Address(at(prefix, 4, number)), IPv6Address(at(prefix, 6, number)))
        request = SandboxRequest(container, network, (EndpointRequest(network, config),), publish)
        return self.topology.visit(self.do("join", request).key)

    def walk(self, walk: Walk) -> str | None:
        """Return the address that the container saw, None without an answer."""
        try:
            answer = self.seats[walk.seat].ask(walk.target(), walk.port, timeout=PATIENCE)
        except OSError:
            return None
        return answer.split()[0].removeprefix("::ffff:") or None

    def close(self) -> None:
        for sandbox in self.controller.sandboxes():
            self.do("leave", sandbox.container.id)
        self.proxy.shutdown()
        self.kernel.close()
        self.store.close()
        self.firewall.close()


WORLDS = [
    World(mode, proxy, icc, backend)
    for backend in ("iptables", "nftables")
    for mode, proxy, icc in itertools.product(MODES, (True, False), (True, False))
]


@pytest.fixture(params=WORLDS, ids=str)
def house(request, topology, tmp_path) -> Iterator[House]:
    made = House(topology, tmp_path, request.param)
    try:
        yield made
    finally:
        made.close()


def test_every_seat_gets_the_answer_it_should(house: House):
    world = house.world
    with ThreadPoolExecutor(len(WALKS)) as together:
        seen = dict(zip(WALKS, together.map(house.walk, WALKS), strict=True))
    wrong = []
    for walk, found in seen.items():
        should = answered(world, walk)
        if should != (found is not None):
            wrong.append(f"{walk}: {'answered' if found else 'no answer'}")
        elif should and (wanted := source(world, walk)) not in (None, found):
            wrong.append(f"{walk}: came from {found}, not from {wanted}")
    assert not wrong, f"{world}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("backend", ["iptables", "nftables"])
def test_a_peers_published_port_needs_no_bridge_filter(topology, tmp_path, backend):
    house = House(topology, tmp_path, World("nat", proxy=False, icc=True, backend=backend))
    try:
        for key in ("iptables", "ip6tables"):
            house.host.sysctl(f"net/bridge/bridge-nf-call-{key}", 0)
        for family in (4, 6):
            assert house.walk(Walk(family, "peer", 8080)) == at(HOME, family, 1)
            assert house.walk(Walk(family, "itself", 8080)) == at(HOME, family, 1)
    finally:
        house.close()
