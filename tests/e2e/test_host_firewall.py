"""The host's own firewall: Debian's ufw and firewalld, asked about published ports or told on.

Both run as they are, in the lab's host, over copies of /etc and /usr that only they see.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from linkspan.lab import Lab

PROGRAMS = Path(sys.prefix) / "lib" / "firewalls"
SEEN = """set -e
upper() {
    mkdir -p /run/firewalls/$1 /run/firewalls/work-$1
    echo ,upperdir=/run/firewalls/$1,workdir=/run/firewalls/work-$1
}
for each in etc usr; do
    mount -t overlay overlay -o lowerdir=$0/$each:/$each$([ $1 = ro ] || upper $each) /$each
done
shift
exec "$@"
"""
BUS = """<busconfig><type>system</type><auth>EXTERNAL</auth>
<listen>unix:path=/run/dbus/system_bus_socket</listen>
<policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>"""
SERVE = ("busybox", "httpd", "-f", "-h", "/etc")


class HostFirewall(Protocol):
    """A firewall of the host that drops what comes in, but for what it is told to allow."""

    name: str

    def start(self) -> None: ...
    def allow(self, port: int) -> None: ...
    def allow_from(self, source: str, port: int) -> None: ...
    def reload(self) -> None: ...


class Ufw:
    """Debian's ufw."""

    name = "ufw"

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def _run(self, *argv: str) -> None:
        self._lab.run("host", "unshare", "-m", "bash", "-c", SEEN, str(PROGRAMS), "rw", *argv)

    def start(self) -> None:
        copy = "cp /usr/share/ufw/iptables/*.rules /usr/share/ufw/*.init /usr/share/ufw/ufw.conf /etc/ufw/"
        self._run("bash", "-c", f"{copy}; ufw --force enable")

    def allow(self, port: int) -> None:
        self._run("ufw", "allow", f"{port}/tcp")

    def allow_from(self, source: str, port: int) -> None:
        self._run("ufw", "allow", "proto", "tcp", "from", source, "to", "any", "port", str(port))

    def reload(self) -> None:
        self._run("ufw", "reload")


class Firewalld:
    """Debian's firewalld, on a bus of its own."""

    name = "firewalld"

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def _command(self, *argv: str) -> int:
        seen = ("unshare", "-m", "bash", "-c", SEEN, str(PROGRAMS), "ro")
        return self._lab.run("host", *seen, "firewall-cmd", *argv, check=False).code

    def start(self) -> None:
        (self._lab.directory / "bus.conf").write_text(BUS)
        self._lab.run("host", "mkdir", "-p", "/run/dbus")
        self._lab.start(
            "host", "dbus-daemon", f"--config-file={self._lab.directory / 'bus.conf'}", "--nofork"
        )
        daemon = ("/usr/bin/python3", "/usr/sbin/firewalld", "--nofork", "--nopid")
        self._lab.start("host", "unshare", "-m", "bash", "-c", SEEN, str(PROGRAMS), "rw", *daemon)
        until(lambda: self._command("--state") == 0)

    def allow(self, port: int) -> None:
        assert self._command(f"--add-port={port}/tcp") == 0

    def allow_from(self, source: str, port: int) -> None:
        rule = f'rule family="ipv4" source address="{source}" port port="{port}" protocol="tcp" accept'
        assert self._command(f"--add-rich-rule={rule}") == 0

    def reload(self) -> None:
        assert self._command("--reload") == 0


def until(condition: object) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "this did not come true in time"
        time.sleep(0.05)


@pytest.fixture(params=[Ufw, Firewalld], ids=["ufw", "firewalld"])
def firewall(request, lab) -> Iterator[HostFirewall]:
    made = request.param(lab)
    made.start()
    yield made


def reached(lab: Lab, where: str, port: int) -> bool:
    address = {"lan": "10.0.0.5", "internet": "100.64.0.2", "host": "127.0.0.1"}[where]
    command = ("curl", "-s", "-o", "/dev/null", "--max-time", "0.5", f"http://{address}:{port}/hosts")
    return lab.run(where, *command, check=False).code == 0


def test_published_ports_obey_the_hosts_firewall_if_the_daemon_is_told_to(lab, firewall):
    """On each packet filter once: none of our rules has a part in it."""
    backend = "iptables" if firewall.name == "ufw" else "nftables"
    lab.daemon("--respect-host-firewall", f"--firewall-backend={backend}")
    answer = lab.docker("run", "-d", "-p", "8080:80", "-p", "8090:80", *SERVE)
    assert "published past" not in answer.err
    until(lambda: reached(lab, "host", 8080))
    assert not reached(lab, "lan", 8080)
    assert not reached(lab, "internet", 8080)
    firewall.allow(8080)
    firewall.allow_from("10.0.0.9", 8090)
    assert [reached(lab, where, 8080) for where in ("lan", "internet")] == [True, True]
    assert [reached(lab, where, 8090) for where in ("lan", "internet")] == [True, False]


def test_without_that_a_warning_says_what_is_open_to_whom(lab, firewall):
    firewall.allow(8099)
    lab.daemon("--firewall-backend=iptables")
    run = ("run", "-d", "-p", "8080:80")
    answer = lab.docker(*run, *SERVE)
    until(lambda: reached(lab, "lan", 8080))
    assert (
        f"WARNING: published past {firewall.name}, which drops what comes in by default: 8080/tcp"
        in answer.err
    )
    assert "10.0.0.5" in answer.err and "100.64.0.2" in answer.err and "172.17.0.1" not in answer.err
    assert "linkspan.allow.8080=SUBNET" in answer.err and "--respect-host-firewall" in answer.err
    for words in (
        ("-p", "127.0.0.1:8081:80"),
        ("-p", "8099:80"),
        ("-p", "8082:80", "--label", "linkspan.allow.8082=10.0.0.0/24"),
        ("--network=host", "-p", "8083:80"),
    ):
        assert "published past" not in lab.docker("create", *words, *SERVE).err
    some = lab.docker("create", "-p", "10.0.0.5:8084:80/udp", "-p", "80", *SERVE).err
    assert "8084/udp, a port for 80/tcp" in some


def test_a_reload_opens_nothing_and_closes_nothing(lab, firewall):
    """CVE-2025-54388 and CVE-2025-54410, with the programs themselves."""
    lab.daemon("--firewall-backend=iptables")
    lab.run("lan", "ip", "route", "add", "172.16.0.0/12", "via", "10.0.0.5")
    lab.docker("run", "-d", "--name=web", "-p", "8080:80", "-p", "127.0.0.1:8090:80", *SERVE)
    address = lab.docker("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "web").text
    until(lambda: reached(lab, "host", 8090))
    open_before = reached(lab, "lan", 8080)
    firewall.reload()
    time.sleep(1.2)
    assert reached(lab, "lan", 8080) == open_before
    direct = ("curl", "-s", "-o", "/dev/null", "--max-time", "0.5", f"http://{address}/hosts")
    assert lab.run("lan", *direct, check=False).code != 0
    assert not reached(lab, "lan", 8090)


def test_the_two_options_exclude_each_other(lab):
    refused = lab.run(
        "host", *lab.daemon_command, "--respect-host-firewall", "--userland-proxy=false", check=False
    )
    assert refused.code == 1
    assert "You specified --userland-proxy=false with --respect-host-firewall" in refused.err
