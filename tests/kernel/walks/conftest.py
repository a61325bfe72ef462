"""Two networks on the throwaway host, a firewall of each kind, and the facts as a driver would give them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import pytest

from linkspan.blueprint.facts import (
    DirectAccessDrop,
    Fact,
    Fence,
    Hairpin,
    Masquerade,
    Publish,
    SkipOwnBridge,
)
from linkspan.firewall.iptables import IptablesFirewall
from linkspan.firewall.nftables import NftablesFirewall

C1, D = "172.18.0.2", "172.19.0.2"


@dataclass
class World:
    """The topology with two networks on it, and a firewall that is started."""

    topology: object
    backend: str
    proxy: bool
    accept_mark: str = ""
    firewall: IptablesFirewall | NftablesFirewall = field(init=False)
    facts: list[Fact] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host, self.lan = self.topology.host, self.topology.lan
        self.internet = self.topology.internet
        self.topology.bridge("br1", "172.18.0.1/16")
        self.topology.bridge("br2", "172.19.0.1/16")
        self.host.sysctl("net/bridge/bridge-nf-call-iptables", int(not self.proxy))
        if not self.proxy:
            for link in ("br1", "br2"):
                self.host.sysctl(f"net/ipv4/conf/{link}/route_localnet", 1)
        options = {"userland_proxy": self.proxy, "accept_mark": self.accept_mark}
        if self.backend == "nftables":
            self.firewall = NftablesFirewall(**options)
        else:
            self.firewall = IptablesFirewall(self.backend, **options)
        self.host.call(self.firewall.start)

    def close(self) -> None:
        """Give up the connections that would keep the namespace alive."""
        self.firewall.close()

    def command(self, iptables: str, nft: str) -> None:
        """Do the same by hand with the program that belongs to the backend."""
        self.host.run(f"nft {nft}" if self.backend == "nftables" else f"{self.backend} {iptables}")

    def add(self, *facts: Fact) -> None:
        self.host.call(self.firewall.add, facts)
        self.facts += facts

    def remove(self, *facts: Fact) -> None:
        self.host.call(self.firewall.remove, facts)
        self.facts = [fact for fact in self.facts if fact not in facts]

    def network(self, bridge: str, subnet: str, masquerade: bool = True, **fence: object) -> None:
        """The facts of a network, as a driver would give them."""
        network = ip_network(subnet)
        facts: list[Fact] = [Fence(bridge, network, **fence)]
        if fence.get("gateway_mode") not in ("routed", "isolated") and not fence.get("internal"):
            facts += [] if self.proxy else [Hairpin(network, bridge)]
            if masquerade:
                facts.append(Masquerade(network, bridge, from_host=not self.proxy))
                facts += [SkipOwnBridge(bridge, network.version)] if self.proxy else []
        self.add(*facts)

    def container(self, address: str, bridge: str, *, drop: bool = True):
        """A container and the fact that goes with every endpoint of a nat network."""
        inside = self.topology.container(
            bridge, f"{address}/16", ".".join([*address.split(".")[:3], "1"]), hairpin=not self.proxy
        )
        if drop:
            self.add(DirectAccessDrop(ip_address(address), bridge))
        return inside

    def publish(self, protocol: str = "tcp", host_address: str = "0.0.0.0", **options: object) -> Publish:
        fact = Publish(
            protocol,
            ip_address(host_address),
            8080,
            ip_address(D),
            80,
            "br2",
            own_bridge=not self.proxy,
            **options,
        )
        self.add(fact)
        return fact


def _name(setting: tuple[str, bool]) -> str:
    return f"{setting[0]}-{'proxy' if setting[1] else 'noproxy'}"


BACKENDS = ("iptables-nft", "iptables-legacy", "nftables")


@pytest.fixture(params=BACKENDS)
def backend(request) -> str:
    return request.param


@pytest.fixture(params=[(backend, proxy) for backend in BACKENDS for proxy in (True, False)], ids=_name)
def bare(request, topology) -> Iterator[World]:
    with contextlib.closing(World(topology, *request.param)) as made:
        yield made


@pytest.fixture
def proxyless(topology, backend: str) -> Iterator[World]:
    """Without the userland proxy."""
    with contextlib.closing(World(topology, backend, proxy=False)) as made:
        yield made


@pytest.fixture
def marked(topology, backend: str) -> Iterator[World]:
    """With the userland proxy and Docker's --bridge-accept-fwmark."""
    with contextlib.closing(World(topology, backend, proxy=True, accept_mark="0x1/0x1")) as made:
        yield made


@pytest.fixture
def world(bare: World) -> Iterator[World]:
    """Two nat networks; d serves 80 (published as 8080) and 81 (not published), TCP and UDP."""
    bare.network("br1", "172.18.0.0/16")
    bare.network("br2", "172.19.0.0/16")
    bare.c1 = bare.container(C1, "br1")
    bare.d = bare.container(D, "br2")
    bare.seen = bare.d.serve(80, 81)
    bare.d.serve(80, kind=socket.SOCK_DGRAM)
    bare.published = bare.publish()
    bare.publish("udp")
    yield bare
