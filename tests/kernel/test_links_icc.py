"""Legacy links on a default bridge with icc off, with real packets through the controller."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from linkspan.firewall.iptables import IptablesFirewall
from linkspan.firewall.nftables import NftablesFirewall
from linkspan.kernel.host import HostKernel
from linkspan.model.sandbox import ContainerIdentity, SandboxRequest
from linkspan.network.controller import Controller
from linkspan.network.settings import NetworkSettings
from linkspan.path.proxy.client import ProxyClient
from linkspan.store.database import Store


class House:
    """A controller whose default bridge keeps containers apart."""

    def __init__(self, topology, directory, backend: str) -> None:
        self.topology, self.directory, self.backend = topology, directory, backend
        self.settings = NetworkSettings(exec_root=directory, icc=False)
        self.open()

    def open(self) -> None:
        host = self.topology.host
        self.store = Store(self.directory / "state.db")
        self.kernel = host.call(HostKernel)
        nft = self.backend == "nftables"
        self.firewall = NftablesFirewall() if nft else IptablesFirewall(journal=self.directory / "rules")
        self.proxy = ProxyClient(self.directory / "proxy.sock")
        self.controller = Controller(self.store, self.kernel, self.firewall, self.proxy, self.settings)
        host.call(self.controller.start)

    def restart(self) -> None:
        self.shut()
        self.open()

    def shut(self) -> None:
        self.kernel.close()
        self.store.close()
        self.proxy.disconnect()
        self.firewall.close()

    def join(self, name: str, *links: str, exposed: tuple[tuple[str, int], ...] = ()):
        ids = tuple(identity(link).id for link in links)
        request = SandboxRequest(identity(name), links=ids, exposed=exposed)
        sandbox = self.topology.host.call(self.controller.join, request)
        return self.topology.visit(sandbox.key), str(sandbox.endpoints[0].ipv4.ip)

    def leave(self, name: str) -> None:
        self.topology.host.call(self.controller.leave, identity(name).id)

    def close(self) -> None:
        for sandbox in self.controller.sandboxes():
            self.topology.host.call(self.controller.leave, sandbox.container.id)
        self.proxy.shutdown()
        self.shut()


def identity(name: str) -> ContainerIdentity:
    return ContainerIdentity(id=name.encode().hex().ljust(64, "0"), name=name)


@pytest.fixture(params=["iptables", "nftables"])
def house(request, topology, tmp_path) -> Iterator[House]:
    made = House(topology, tmp_path, request.param)
    try:
        yield made
    finally:
        made.close()


def reaches(client, address: str, port: int) -> bool:
    try:
        return bool(client.ask(address, port, timeout=0.3))
    except OSError:
        return False


def test_a_link_opens_the_exposed_ports_and_nothing_else(house):
    db, address = house.join("db", exposed=(("tcp", 80),))
    db.serve(80, 81)
    web, own = house.join("web", "db")
    other, _ = house.join("other")
    web.serve(80)
    assert reaches(web, address, 80) and not reaches(web, address, 81)
    assert not reaches(other, address, 80)
    assert not reaches(db, own, 80)


def test_the_hole_closes_and_opens_with_either_end(house):
    db, address = house.join("db", exposed=(("tcp", 80),))
    db.serve(80)
    web, _ = house.join("web", "db")
    house.leave("db")
    db, again = house.join("db", exposed=(("tcp", 80),))
    db.serve(80)
    assert again == address and reaches(web, address, 80)
    house.leave("web")
    web, _ = house.join("web")
    assert not reaches(web, address, 80)


def test_the_hole_outlives_the_daemon(house):
    db, address = house.join("db", exposed=(("tcp", 80),))
    db.serve(80)
    web, _ = house.join("web", "db")
    house.restart()
    assert reaches(web, address, 80)
    house.leave("web")
    web, _ = house.join("web")
    assert not reaches(web, address, 80)
