"""The DHCP client: what it says when nobody answers, and what it does when an address changes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from linkspan.kernel.host import HostKernel
from linkspan.model.errors import NotImplementedHere, Unavailable
from linkspan.path.dhcp import client as dhcp
from linkspan.path.dhcp.client import DhcpClient

SERVER = """\
start 10.55.0.{first}
end 10.55.0.{first}
max_leases 1
interface lan0
lease_file {directory}/leases{first}
pidfile {directory}/pid{first}
offer_time 1
option subnet 255.255.255.0
option router 10.55.0.9
"""


class Lan:
    """Two namespaces and a cable between them: eth0 of the client's, lan0 of the server's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kernel = HostKernel()
        self.here, self.there = directory / "here", directory / "there"
        for path in (self.here, self.there):
            self.kernel.create_sandbox(path)
        self.inside("there", "ip", "link", "add", "lan0", "type", "veth", "peer", "eth0")
        self.inside("there", "sh", "-c", "ip addr add 10.55.0.9/24 dev lan0; ip link set lan0 up")
        with (self.here).open() as handle:
            target = f"/proc/{os.getpid()}/fd/{handle.fileno()}"
            self.inside("there", "ip", "link", "set", "eth0", "netns", target)
        self.inside("here", "ip", "link", "set", "eth0", "up")
        self.client = DhcpClient(directory / "dhcp", self.kernel.in_sandbox)
        self.servers: list[subprocess.Popen[bytes]] = []

    def inside(self, place: str, *argv: str) -> str:
        command = ["nsenter", f"--net={self.directory / place}", *argv]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def serve(self, first: int) -> None:
        settings = self.directory / f"udhcpd{first}.conf"
        settings.write_text(SERVER.format(first=first, directory=self.directory))
        (self.directory / f"leases{first}").touch()
        command = ["nsenter", f"--net={self.there}", "busybox", "udhcpd", "-f", str(settings)]
        self.servers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        until(lambda: (self.directory / f"pid{first}").exists())

    def stop_serving(self) -> None:
        while self.servers:
            server = self.servers.pop()
            server.terminate()
            server.wait(timeout=5)

    def close(self) -> None:
        self.stop_serving()
        self.client.release("web")
        for path in (self.here, self.there):
            self.kernel.remove_sandbox(path)
        self.kernel.close()


def until(condition: Any) -> None:
    deadline = time.monotonic() + 8
    while not condition():
        assert time.monotonic() < deadline, "this did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def lan(tmp_path) -> Iterator[Lan]:
    made = Lan(tmp_path)
    yield made
    made.close()


def test_nobody_answers(lan, monkeypatch):
    monkeypatch.setattr(dhcp, "TRIES", 1)
    with pytest.raises(Unavailable, match="no DHCP server has given an address within 2 seconds"):
        lan.client.ask("web", str(lan.here), "eth0", "shop")
    assert [path.name for path in (lan.directory / "dhcp").iterdir()] == ["lease.sh"]


def test_the_program_is_not_there(lan, monkeypatch):
    monkeypatch.setattr(dhcp.shutil, "which", lambda name: None)
    with pytest.raises(NotImplementedHere, match="install Debian's package busybox-static or udhcpc"):
        lan.client.ask("web", str(lan.here), "eth0", "shop")


def test_a_server_may_give_another_address_when_the_lease_is_renewed(lan):
    lan.serve(20)
    lease = lan.client.ask("web", str(lan.here), "eth0", "shop")
    assert lease == dhcp.Lease(IPv4Interface("10.55.0.20/24"), IPv4Address("10.55.0.9"))
    lan.inside("here", "sh", "-c", "ip addr add 10.55.0.20/24 dev eth0; ip route add default via 10.55.0.9")
    lan.client.keep("web", str(lan.here), "eth0", "shop", lease.interface.ip)
    assert lan.client.keeps("web") and lan.client.owners() == ["web"]
    lan.stop_serving()
    lan.serve(30)
    for number in (signal.SIGUSR2, signal.SIGUSR1):  # the lease is lost, and asked for anew
        os.kill(lan.client._pid("web"), number)
        time.sleep(0.2)
    until(lambda: "10.55.0.30/24" in lan.inside("here", "ip", "addr"))
    assert "10.55.0.20" not in lan.inside("here", "ip", "addr")
    until(lambda: "default via 10.55.0.9" in lan.inside("here", "ip", "route"))
    lan.client.release("web")
    assert not lan.client.keeps("web") and lan.client.owners() == []
