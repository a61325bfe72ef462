"""Addresses of the LAN's own DHCP server, on macvlan and on a bridge of the LAN."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from linkspan.lab.topology import LAN_ADDRESS

SERVER = """\
start {range}.100
end {range}.109
max_leases 10
interface {link}
lease_file {directory}/leases
pidfile {directory}/pid
offer_time 1
option subnet 255.255.255.0
option router {range}.9
option lease 3600
"""


class Server:
    """A DHCP server on a link of the lab's LAN, which gives the addresses .100 to .109."""

    def __init__(self, stage, directory: Path, link: str, range: str) -> None:
        directory.mkdir()
        self.stage = stage
        self.leases = directory / "leases"
        self.leases.touch()
        settings = directory / "udhcpd.conf"
        settings.write_text(SERVER.format(range=range, link=link, directory=directory))
        self.process = stage.lab.start("lan", "busybox", "udhcpd", "-f", str(settings))
        self.pidfile = directory / "pid"
        stage.until(lambda: self.pidfile.exists() and self.pidfile.read_text().strip())

    def given(self) -> str:
        """What it has given, as busybox's dumpleases tells it; it writes it down when it gets round to it."""
        self._signal("USR1")
        printed = subprocess.run(["busybox", "dumpleases", "-f", self.leases], capture_output=True, text=True)
        return printed.stdout

    def stop(self) -> None:
        self._signal("TERM")
        self.process.wait(timeout=5)

    def _signal(self, name: str) -> None:
        """Inside the LAN: its processes have numbers of their own."""
        self.stage.lab.run("lan", "kill", f"-{name}", self.pidfile.read_text().strip())


@pytest.fixture
def serve(stage, tmp_path) -> Iterator[Callable[[str, str], Server]]:
    """A function that starts a server on a link of the LAN."""
    servers: list[Server] = []

    def start(link: str, range: str) -> Server:
        servers.append(Server(stage, tmp_path / link, link, range))
        return servers[-1]

    yield start
    stage.clear()
    for server in servers:
        server.stop()


def keepers(stage) -> list[str]:
    """The processes that keep leases, by their numbers on the host."""
    return stage.host("pgrep", "-f", "udhcpc.*-p ", check=False).lines


def test_a_container_has_the_address_that_the_lans_server_gives_it(stage, serve):
    server = serve("eth0", "10.0.0")
    flags = ("-d", "macvlan", "--ipam-driver", "dhcp", "-o", "parent=eth0")
    stage.docker("network", "create", *flags, "lan")
    stage.web("web", "--network", "lan", "--hostname", "shop", "-p", "8080:80")
    shown = stage.inspect("web")["NetworkSettings"]["Networks"]["lan"]
    address = shown["IPAddress"]
    assert address.startswith("10.0.0.10") and (shown["IPPrefixLen"], shown["Gateway"]) == (24, LAN_ADDRESS)
    assert stage.get("lan", f"http://{address}/cgi-bin/ip") == LAN_ADDRESS
    assert f"default via {LAN_ADDRESS}" in stage.inside("web", "ip", "route").out
    stage.until(lambda: re.search(rf"{shown['MacAddress']}\s+{address}\s+shop", server.given()))
    keeper = keepers(stage)
    assert len(keeper) == 1

    stage.lab.kill_daemon()
    stage.lab.daemon()
    assert keepers(stage) == keeper and stage.address("web", "lan") == address

    stage.host("kill", "-KILL", *keeper)
    stage.lab.kill_daemon()
    stage.lab.daemon()
    assert len(keepers(stage)) == 1, "a keeper that was lost is started again"

    stage.docker("restart", "-t", "0", "web")
    assert stage.address("web", "lan") == address, "a container has the same MAC address each time"
    stage.docker("rm", "-f", "web")
    assert not keepers(stage)
    stage.until(lambda: re.search(rf"{address}\s+shop\s+expired", server.given()))  # it was given back
    left = [path.name for name in ("dhcp", "netns") for path in (stage.lab.exec_root / name).iterdir()]
    assert left == ["lease.sh"]


def test_a_bridge_that_is_on_the_lan(stage, serve):
    stage.host("ip", "link", "add", "lan0", "type", "bridge")
    host, lan = (stage.lab.place(name).namespace() for name in ("host", "lan"))
    cable = ("lan1", "master", "lan0", "type", "veth", "peer", "lan2", "netns", lan)
    subprocess.run(["nsenter", f"--net={host}", "ip", "link", "add", *cable], check=True)
    stage.lab.run("lan", "sh", "-c", "ip addr add 10.77.0.9/24 dev lan2 && ip link set lan2 up")
    stage.host("sh", "-c", "ip link set lan0 up && ip link set lan1 up")
    try:
        serve("lan2", "10.77.0")
        flags = ("--ipam-driver", "dhcp", "-o", "com.docker.network.bridge.name=lan0")
        stage.docker("network", "create", *flags, "lan")
        stage.docker("network", "create", "other")
        stage.web("web", "--network", "other")
        assert not keepers(stage)
        stage.docker("network", "connect", "lan", "web")
        address = stage.address("web", "lan")
        assert address.startswith("10.77.0.10") and len(keepers(stage)) == 1
        assert stage.get("lan", f"http://{address}/cgi-bin/ip") == "10.77.0.9"
        stage.docker("network", "disconnect", "lan", "web")
        assert not keepers(stage)
        stage.docker("network", "rm", "lan")
        assert "lan1" in stage.host("ip", "link", "show", "master", "lan0").out
    finally:
        stage.host("sh", "-c", "ip link del lan1; ip link del lan0")


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("-d", "ipvlan"), "the IPAM driver dhcp is for macvlan and bridge networks, not for ipvlan"),
        (("-d", "macvlan"), "the IPAM driver dhcp needs a link that is on the LAN: name it with -o parent="),
        ((), "needs a link that is on the LAN: name it with -o com.docker.network.bridge.name="),
        (("-o", "com.docker.network.bridge.name=none9"), "and this host has none called none9"),
        (
            ("-d", "macvlan", "-o", "parent=eth0", "--subnet", "10.0.0.0/24"),
            "takes subnet, gateway and addresses from the LAN's server: name none",
        ),
        (("-d", "macvlan", "-o", "parent=eth0", "--ipv6"), "is for IPv4 alone"),
    ],
)
def test_what_no_server_can_give(stage, flags, complaint):
    assert complaint in stage.fails("network", "create", "--ipam-driver", "dhcp", *flags, "bad").both


def test_an_address_by_hand_is_refused(stage):
    stage.docker("network", "create", "-d", "macvlan", "--ipam-driver", "dhcp", "-o", "parent=eth0", "lan")
    refused = stage.fails("run", "--network", "lan", "--ip", "10.0.0.50", "busybox", "true")
    assert "only when connecting to networks with user configured subnets" in refused.both
