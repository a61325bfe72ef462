"""The network controller on the real kernel: docker0, containers, published ports, networks, and their end.

internet 198.51.100.9 ── wan0 ┐        ┌ docker0 172.17.0.1 ── web .2, db .3
                              ├─ host ─┤
lan 10.0.0.9 ─────────── eth0 ┘        └ br-… ── others
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Interface, IPv4Network, ip_address, ip_network
from pathlib import Path

import pytest

from linkspan.firewall.iptables import IptablesFirewall
from linkspan.kernel.host import HostKernel
from linkspan.model.documents import encode
from linkspan.model.errors import KernelError, LinkspanError
from linkspan.model.network import EndpointConfig, EndpointRequest, NetworkSpec, PoolRequest
from linkspan.model.ports import PublishRequest
from linkspan.model.sandbox import ContainerIdentity, SandboxRequest
from linkspan.network.controller import Controller
from linkspan.network.options import BRIDGE
from linkspan.network.settings import NetworkSettings
from linkspan.path.proxy.client import ProxyClient
from linkspan.store.database import Store

HOST, LAN, INTERNET = "10.0.0.5", "10.0.0.9", "198.51.100.9"
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
DROPPED = pytest.raises(TimeoutError)


class House:
    """A controller with real adapters in the topology's host."""

    def __init__(self, topology, directory: Path, **settings) -> None:
        self.topology, self.directory = topology, directory
        self.host, self.lan = topology.host, topology.lan
        self.settings = NetworkSettings(exec_root=directory, **settings)
        self.inside = []
        self.open()

    def open(self) -> None:
        proxied = self.settings.userland_proxy
        self.store = Store(self.directory / "state.db")
        self.kernel = self.host.call(HostKernel)
        self.firewall = IptablesFirewall(journal=self.directory / "rules", userland_proxy=proxied)
        self.proxy = ProxyClient(self.directory / "proxy.sock", userland_proxy=proxied)
        self.controller = Controller(self.store, self.kernel, self.firewall, self.proxy, self.settings)
        self.do("start")

    def do(self, method: str, *arguments):
        return self.host.call(getattr(self.controller, method), *arguments)

    def restart(self) -> None:
        self.firewall.close()
        self.kernel.close()
        self.store.close()
        self.proxy.disconnect()
        self.open()

    def network(self, name: str, subnet: str = "", **fields):
        pools = (PoolRequest(ip_network(subnet)),) if subnet else ()
        options = tuple(fields.pop("options", {}).items())
        return self.do("create_network", NetworkSpec(name, pools=pools, options=options, **fields))

    def join(self, name: str, *networks, publish=()):
        """Join a container; returns a namespace to act in, with `sandbox`."""
        sandbox = self.do("join", request(name, *networks, publish=publish))
        inside = self.topology.visit(sandbox.key) if sandbox.key else self.host
        self.inside.append(inside)
        return inside, sandbox

    def leave(self, name: str) -> None:
        self.do("leave", identity(name).id)

    def state(self) -> dict[str, object]:
        """What a failed request must leave as it was."""
        return {
            "links": [
                line.split(" state ")[0].split(" <")[0] for line in self.host.run("ip -o link").splitlines()
            ],
            "addresses": _stable(self.host.run("ip -o address")),
            "routes": _stable(self.host.run("ip route show table all", "ip -6 route show table all")),
            "rules": "".join(self.rules()),
            "sockets": self.host.run("ss -Hnlptu"),
            "leases": str([self.store.leases(n.id) for n in self.controller.networks()]),
            "documents": str(self.store.all("sandbox") + self.store.all("network") + self.store.intents()),
            "namespaces": str(sorted(self.directory.glob("netns/*"))),
        }

    def rules(self) -> list[str]:
        """The rules and chains of both families, without counters."""
        dump = self.host.run("iptables-save", "ip6tables-save")
        return [
            line.split(" [")[0] + "\n" for line in dump.splitlines() if line.startswith((":DOCKER", "-A"))
        ]

    def close(self) -> None:
        for sandbox in self.controller.sandboxes():
            self.do("leave", sandbox.container.id)
        self.proxy.shutdown()
        self.firewall.close()
        self.kernel.close()
        self.store.close()


def _stable(text: str) -> list[str]:
    """The lines without what the kernel adds by itself when a bridge gets its first port."""
    lines = [line.replace(" linkdown", "").rstrip() for line in text.splitlines()]
    return [line for line in lines if "fe80:" not in line and "ff00::" not in line]


def identity(name: str) -> ContainerIdentity:
    return ContainerIdentity(id=name.encode().hex().ljust(64, "0"), name=name)


def request(name: str, *networks, publish=()) -> SandboxRequest:
    wishes = tuple(n if isinstance(n, EndpointRequest) else EndpointRequest(n) for n in networks)
    ports = tuple(
        p if isinstance(p, PublishRequest) else PublishRequest("tcp", p[1], None, p[0], p[0]) for p in publish
    )
    return SandboxRequest(identity(name), wishes[0].network if wishes else "bridge", wishes, ports)


@pytest.fixture
def build(topology, tmp_path) -> Iterator:
    """Return a function that builds a house with the given settings."""
    houses: list[House] = []

    def house(**settings) -> House:
        houses.append(House(topology, tmp_path, **settings))
        return houses[-1]

    yield house
    for each in houses:
        each.close()


@pytest.fixture
def house(build) -> House:
    """A house with Docker's default settings."""
    return build()


def test_docker0_stands_after_the_start(house):
    shown = house.host.run("ip -d link show docker0")
    assert "bridge" in shown and "mtu 1500" in shown
    assert "172.17.0.1/16" in house.host.run("ip -4 address show docker0")
    assert house.host.run("sysctl -n net.ipv4.ip_forward").strip() == "1"
    assert house.host.run("sysctl -n net.ipv6.conf.docker0.accept_ra").strip() == "0"


def test_two_containers_have_what_docker_gives_them_and_reach_each_other(house):
    web, sandbox = house.join("web")
    db, _ = house.join("db")
    link = house.host.run(f"ip -o link show {sandbox.endpoints[0].host_link}")
    assert "master docker0" in link and "@if" in link and "link-netnsid" in link
    assert "172.17.0.2/16" in web.run("ip -4 -o address show eth0")
    assert "172.17.0.3/16" in db.run("ip -4 -o address show eth0")
    assert web.run("ip route").splitlines()[0].startswith("default via 172.17.0.1 dev eth0")
    assert web.run("ip -6 -o address show eth0") == ""
    db.serve(80)
    assert web.ask("172.17.0.3", 80) == "172.17.0.2 80"
    seen = house.topology.internet.serve(80)
    web.ask(INTERNET, 80)
    assert seen == ["198.51.100.1"]


def test_a_published_port_answers_from_everywhere(house):
    web, _ = house.join("web", publish=[(8080, 80)])
    other, _ = house.join("other")
    web.serve(80)
    assert house.lan.ask(HOST, 8080) == f"{LAN} 80"
    assert house.host.ask(HOST, 8080) == f"{HOST} 80"
    assert house.host.ask("127.0.0.1", 8080) == "172.17.0.1 80"
    assert house.host.ask("::1", 8080) == "172.17.0.1 80"
    assert other.ask(HOST, 8080).endswith(" 80")
    assert web.ask(HOST, 8080).endswith(" 80")
    listening = house.host.run("ss -Hnltp")
    assert "0.0.0.0:8080" in listening and "[::]:8080" in listening and "linkspan-proxy" in listening


def test_without_the_proxy_the_kernel_does_it_alone(build):
    house = build(userland_proxy=False)
    web, _ = house.join("web", publish=[(8080, 80)])
    web.serve(80)
    assert house.lan.ask(HOST, 8080) == f"{LAN} 80"
    assert house.host.ask("127.0.0.1", 8080) == "172.17.0.1 80"
    assert web.ask(HOST, 8080).endswith(" 80")
    thief = house.host.open()
    with thief, pytest.raises(OSError, match=r"in use"):
        thief.bind(("0.0.0.0", 8080))


def test_a_range_is_one_rule_in_nat_and_one_in_filter(house):
    before = house.rules()
    publish = [(port, port + 1000) for port in range(8000, 8100)]
    web, sandbox = house.join("web", publish=publish)
    added = [rule for rule in house.rules() if rule not in before]
    assert sum("DNAT" in rule for rule in added) == 1
    assert sum("ACCEPT" in rule for rule in added) == 1
    assert {binding.count for binding in sandbox.bindings} == {100}
    web.serve(9000, 9057, 9099)
    assert [house.lan.ask(HOST, port)[-4:] for port in (8000, 8057, 8099)] == ["9000", "9057", "9099"]
    assert house.host.ask("127.0.0.1", 8057) == "172.17.0.1 9057"


def test_udp_is_published_too(house):
    web, _ = house.join("web", publish=[PublishRequest("udp", 53, None, 5353, 5353)])
    web.serve(53, kind=DATAGRAM)
    assert house.lan.ask(HOST, 5353, kind=DATAGRAM) == f"{LAN} 53"
    assert house.host.ask("127.0.0.1", 5353, kind=DATAGRAM) == "172.17.0.1 53"


def test_a_port_on_loopback_is_not_for_the_lan(house):
    web, _ = house.join("web", publish=[PublishRequest("tcp", 80, ip_address("127.0.0.1"), 8080, 8080)])
    web.serve(80)
    assert house.host.ask("127.0.0.1", 8080) == "172.17.0.1 80"
    with pytest.raises(OSError):
        house.lan.ask(HOST, 8080, timeout=0.3)
    with DROPPED:
        house.lan.ask("172.17.0.2", 80, timeout=0.3)


def test_leaving_takes_everything_away_at_once(house):
    before = house.state()
    house.join("web", publish=[(8080, 80), (8443, 443), PublishRequest("udp", 53)])
    house.leave("web")
    assert house.state() == before


def test_the_four_modes(house):
    _, host = house.join("h", "host", publish=[(8080, 80)])
    assert (host.key, host.bindings) == ("", ())
    none, _ = house.join("n", "none")
    assert [line.split(": ")[1] for line in none.run("ip -o link").splitlines()] == ["lo"]


def test_an_internal_network_leads_nowhere(house):
    network = house.network("inside", internal=True)
    a, sandbox = house.join("a", "inside")
    b, _ = house.join("b", "inside")
    b.serve(80)
    address = str(sandbox.endpoints[0].ipv4.ip)
    assert a.run("ip route").startswith(str(network.pools[0].subnet))
    assert a.ask("172.18.0.3", 80) == f"{address} 80"
    with pytest.raises(OSError, match=r"unreachable"):
        a.ask(INTERNET, 80, timeout=0.3)
    a.run("ip route add default via 172.18.0.1")
    with DROPPED:
        a.ask(INTERNET, 80, timeout=0.3)


def test_networks_are_cut_off_from_each_other(house):
    house.network("front")
    house.network("back")
    web, _ = house.join("web", "front")
    db, _ = house.join("db", "back", publish=[(5432, 432)])
    db.serve(432, 80)
    with DROPPED:
        web.ask("172.19.0.2", 432, timeout=0.3)
    with DROPPED:
        web.ask("172.19.0.2", 80, timeout=0.3)
    assert web.ask(HOST, 5432).endswith(" 432")
    with DROPPED:
        house.lan.ask("172.19.0.2", 432, timeout=0.3)


def test_icc_off_keeps_neighbours_apart(house):
    house.network("apart", options={BRIDGE + "enable_icc": "false"})
    a, _ = house.join("a", "apart")
    b, _ = house.join("b", "apart")
    b.serve(80)
    with DROPPED:
        a.ask("172.18.0.3", 80, timeout=0.3)


def test_gateway_and_published_port_move_on_connect_and_back(house):
    house.network("middle", "172.28.0.0/24")
    house.network("alpha", "172.29.0.0/24")
    web, before = house.join("web", "middle", publish=[(8080, 80)])
    web.serve(80)
    assert house.lan.ask(HOST, 8080) == f"{LAN} 80"
    grown = house.do("connect", before.container, EndpointRequest("alpha"))
    assert [e.link for e in grown.endpoints] == ["eth0", "eth1"]
    assert web.run("ip route show default").startswith("default via 172.29.0.1 dev eth1")
    assert house.lan.ask(HOST, 8080) == f"{LAN} 80"
    assert house.host.ask("127.0.0.1", 8080) == "172.29.0.1 80"
    shrunk = house.do("disconnect", before.container.id, "alpha", False)
    assert shrunk == before
    assert web.run("ip route show default").startswith("default via 172.28.0.1 dev eth0")
    assert house.lan.ask(HOST, 8080) == f"{LAN} 80"
    assert "eth1" not in web.run("ip link")


def test_a_fixed_address_and_mac(house):
    house.network("front", "172.28.0.0/24")
    config = EndpointConfig(ipv4=ip_address("172.28.0.77"), mac="02:00:00:00:00:77")
    web, _ = house.join("web", EndpointRequest("front", config))
    assert "172.28.0.77/24" in web.run("ip address show eth0")
    assert "02:00:00:00:00:77" in web.run("ip link show eth0")


def test_bad_requests_leave_nothing(house):
    house.network("front", "172.28.0.0/24")
    house.join("web", "front", publish=[(8080, 80)])
    thief = house.host.open()
    with thief:
        thief.bind(("0.0.0.0", 9090))
        thief.listen()
        before = house.state()
        far = EndpointRequest("front", EndpointConfig(ipv4=ip_address("172.30.0.1")))
        taken = EndpointRequest("front", EndpointConfig(ipv4=ip_address("172.28.0.2")))
        for wishes, publish, text in (
            (("front",), [(8080, 80)], "Bind for 0.0.0.0:8080 failed: port is already allocated"),
            (
                ("front",),
                [(80, 80), (9090, 80)],
                "bind host port 0.0.0.0:9090/tcp: address already in use",
            ),
            ((far,), (), "no configured subnet contains IP address 172.30.0.1"),
            ((taken,), (), "Address already in use"),
            (("nope",), (), "network nope not found"),
            (
                ("front",),
                [PublishRequest("tcp", 80, ip_address("203.0.113.77"), 80, 80)],
                "annot assign requested address",
            ),
        ):
            with pytest.raises(LinkspanError, match=text):
                house.do("join", request("db", *wishes, publish=publish))
            assert house.state() == before, text


@pytest.mark.parametrize(
    ("adapter", "method"),
    [("kernel", "create_sandbox"), ("kernel", "apply"), ("firewall", "add"), ("proxy", "serve")],
)
def test_a_step_that_fails_leaves_nothing(house, monkeypatch, adapter, method):
    before = house.state()

    def fail(*arguments):
        raise KernelError(f"{method} of {adapter}", 5, "Input/output error")

    monkeypatch.setattr(getattr(house, adapter), method, fail)
    with pytest.raises(LinkspanError, match=rf"{method} of {adapter}: Input/output error"):
        house.do("join", request("web", publish=[(8080, 80), PublishRequest("udp", 53)]))
    monkeypatch.undo()
    assert house.state() == before
    house.join("web", publish=[(8080, 80), PublishRequest("udp", 53)])


def test_a_kernel_setting_that_does_not_exist_leaves_nothing(house):
    before = house.state()
    wish = SandboxRequest(identity("web"), sysctls=(("net.ipv4.nonsense", "1"),))
    with pytest.raises(LinkspanError, match=r"setting net\.ipv4\.nonsense to 1"):
        house.do("join", wish)
    assert house.state() == before


def test_bad_networks_leave_nothing(house):
    house.network("front", "172.28.0.0/24")
    before = house.state()
    for spec in (
        NetworkSpec("front"),
        NetworkSpec("other", pools=(PoolRequest(ip_network("172.28.0.0/16")),)),
        NetworkSpec("other", options=((BRIDGE + "name", "eth0"),)),
        NetworkSpec("other", options=(("com.docker.network.driver.mtu", "many"),)),
    ):
        with pytest.raises(LinkspanError):
            house.do("create_network", spec)
        assert house.state() == before


def test_removing_a_network_takes_bridge_and_rules_away_and_keeps_an_adopted_one(house):
    before = house.state()
    house.network("front")
    house.do("remove_network", "front")
    assert house.state() == before
    house.host.run("ip link add br0 type bridge")
    house.network("mine", "172.28.0.0/24", options={BRIDGE + "name": "br0"})
    assert "172.28.0.1/24" in house.host.run("ip address show br0")
    house.do("remove_network", "mine")
    assert "172.28.0.1/24" not in house.host.run("ip address show br0")


def test_a_restarted_daemon_finds_its_containers_and_published_ports(house):
    house.network("front")
    web, sandbox = house.join("web", "front", publish=[(8080, 80)])
    web.serve(80)
    before = house.state()
    house.restart()
    assert house.state() == before
    assert house.do("sandbox", sandbox.container.id) == sandbox
    assert house.lan.ask(HOST, 8080) == f"{LAN} 80"
    with pytest.raises(LinkspanError, match=r"port is already allocated"):
        house.do("join", request("db", publish=[(8080, 80)]))
    assert str(house.join("db", "front")[1].endpoints[0].ipv4.ip) == "172.18.0.3"


def test_what_nobody_owns_is_swept_away_at_the_start(house):
    _, sandbox = house.join("web", publish=[(8080, 80)])
    network = house.network("front")
    clean = house.state()
    house.store.delete("sandbox", sandbox.container.id)
    house.store.delete("network", network.id)
    house.restart()
    shown = house.state()
    assert sandbox.endpoints[0].host_link not in shown["links"] and network.bridge not in shown["links"]
    assert ":8080" not in shown["sockets"] and "8080" not in shown["rules"] and shown["namespaces"] == "[]"
    assert clean["addresses"] != shown["addresses"]
    assert str(house.join("db")[1].endpoints[0].ipv4.ip) == "172.17.0.2"


@pytest.mark.parametrize("kind", ["connect", "disconnect"])
def test_an_interrupted_change_is_finished_at_the_start(house, kind):
    house.network("alpha", "172.28.0.0/24")
    house.network("beta", "172.29.0.0/24")
    web, sandbox = house.join("web", "beta", publish=[(8080, 80)])
    web.serve(80)
    grown = house.do("connect", sandbox.container, EndpointRequest("alpha"))
    if kind == "connect":
        house.store.put("sandbox", sandbox.container.id, encode(sandbox))
    house.store.begin(kind, {"container": sandbox.container.id, "endpoint": grown.endpoints[1].id})
    house.restart()
    assert house.do("sandbox", sandbox.container.id) == sandbox
    assert web.run("ip route show default").startswith("default via 172.29.0.1 dev eth0")
    assert "eth1" not in web.run("ip link")
    assert house.lan.ask(HOST, 8080) == f"{LAN} 80"
    assert house.host.ask("127.0.0.1", 8080) == "172.29.0.1 80"


def test_a_pulled_namespace_is_forgotten_at_the_start(house):
    _, sandbox = house.join("web", publish=[(8080, 80)])
    house.kernel.remove_sandbox(Path(sandbox.key))
    house.restart()
    assert house.do("sandbox", sandbox.container.id) is None
    assert ":8080" not in house.host.run("ss -Hnl")


def test_bip_fixed_cidr_and_no_default_bridge(build, tmp_path):
    house = build(bip=IPv4Interface("10.50.0.1/16"), fixed_cidr=IPv4Network("10.50.3.0/24"), mtu=1400)
    _, sandbox = house.join("web")
    assert str(sandbox.endpoints[0].ipv4) == "10.50.3.0/16"
    assert "mtu 1400" in house.host.run("ip link show docker0")
    house.leave("web")
    house.settings = NetworkSettings(exec_root=tmp_path, bridge="none")
    house.restart()
    assert "docker0" not in house.host.run("ip link")
    with pytest.raises(LinkspanError, match=r"network bridge not found"):
        house.do("join", request("web"))


def test_thirty_joins_and_leaves_side_by_side(house):
    workers = ThreadPoolExecutor(8, initializer=house.host._enter)
    requests = [request(f"c{n}", publish=[(9000 + n, 80)]) for n in range(30)]
    before = house.state()
    started = time.monotonic()
    with workers:
        sandboxes = list(workers.map(house.controller.join, requests))
        took = time.monotonic() - started
        assert len({str(s.endpoints[0].ipv4.ip) for s in sandboxes}) == 30
        list(workers.map(lambda r: house.controller.leave(r.container.id), requests))
    assert house.state() == before
    assert took < 10
