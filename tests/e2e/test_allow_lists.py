"""Who may use a published port: the labels linkspan.allow.PORT, by translation and by the proxy alike.

lan 10.0.0.9 may, internet 100.64.0.1 may not; web publishes 8080 to the LAN and itself, 8081 to all
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator

import pytest

from linkspan.lab import Lab

WORLDS = list(itertools.product(("iptables", "nftables"), (True, False)))
HOST, HOST6, UPLINK = "10.0.0.5", "[fd00:10::5]", "100.64.0.2"
SERVE = ("busybox", "httpd", "-f", "-h", "/etc")


@pytest.fixture(
    scope="module", params=WORLDS, ids=lambda world: f"{world[0]}-{'proxy' if world[1] else 'noproxy'}"
)
def guarded(request) -> Iterator[Lab]:
    backend, proxy = request.param
    with Lab() as lab:
        lab.daemon(f"--firewall-backend={backend}", f"--userland-proxy={str(proxy).lower()}")
        lab.docker("network", "create", "--subnet=172.30.0.0/24", "four")
        lab.docker("network", "create", "--ipv6", "--subnet=172.31.0.0/24", "--subnet=fd00:31::/64", "both")
        allow = (
            "--label=linkspan.allow.8080=10.0.0.0/24,172.31.0.0/24",
            "--label=linkspan.allow.9000=10.0.0.9",
        )
        ports = ("-p", "8080:80", "-p", "8081:80", "-p", "9000:9000/udp")
        lab.docker("run", "-d", "--name=web", "--network=four", *ports, *allow, *SERVE)
        allow = ("--label=linkspan.allow.8090=fd00:10::/64",)
        lab.docker("run", "-d", "--name=six", "--network=both", "-p", "8090:80", *allow, *SERVE)
        lab.docker("run", "-d", "--name=peer", "--network=four", "busybox", "sleep", "999")
        lab.docker("run", "-d", "--name=stranger", "--network=both", "busybox", "sleep", "999")
        lab.proxy = proxy
        yield lab


def code(lab: Lab, seat: str, url: str) -> str:
    """The HTTP status that a seat gets, a container's too; "000" without an answer."""
    command = [
        "curl",
        "-s",
        "-g",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--max-time",
        "0.4",
        f"http://{url}/hosts",
    ]
    if seat in ("host", "lan", "internet"):
        return lab.run(seat, *command, check=False).out
    key = lab.docker("inspect", "-f", "{{.NetworkSettings.SandboxKey}}", seat).text
    return lab.run("host", "nsenter", f"--net={key}", *command, check=False).out


@pytest.mark.parametrize(
    ("seat", "url", "answer"),
    [
        ("lan", f"{HOST}:8080", "200"),
        ("internet", f"{UPLINK}:8080", "000"),
        ("internet", f"{UPLINK}:8081", "200"),
        ("host", f"{UPLINK}:8080", "200"),
        ("host", "127.0.0.1:8080", "200"),
        ("stranger", f"{HOST}:8080", "200"),
        ("peer", f"{HOST}:8080", "000"),
        ("lan", f"{HOST6}:8080", "000"),
        ("lan", f"{HOST6}:8090", "200"),
        ("lan", f"{HOST}:8090", "000"),
        ("host", f"{HOST6}:8090", "200"),
        ("internet", "[2001:db8::2]:8090", "000"),
    ],
)
def test_those_on_the_list_are_answered_and_nobody_else(guarded, seat, url, answer):
    assert code(guarded, seat, url) == answer


def test_datagrams_of_others_never_reach_the_container(guarded):
    key = guarded.docker("inspect", "-f", "{{.NetworkSettings.SandboxKey}}", "web").text

    def received() -> int:
        text = guarded.run("host", "nsenter", f"--net={key}", "cat", "/proc/net/snmp").out
        names, values = (line.split()[1:] for line in text.splitlines() if line.startswith("Udp:"))
        counts = dict(zip(names, map(int, values), strict=True))
        return counts["InDatagrams"] + counts["NoPorts"]

    send = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(b'!', (sys.argv[1], 9000))"
    before = received()
    guarded.run("internet", sys.executable, "-c", send, UPLINK)
    guarded.run("lan", sys.executable, "-c", "import time; time.sleep(0.05)")
    assert received() == before
    guarded.run("lan", sys.executable, "-c", send, HOST)
    guarded.run("lan", sys.executable, "-c", "import time; time.sleep(0.05)")
    assert received() == before + 1


def test_the_list_outlives_the_daemon_and_goes_with_the_container(guarded):
    guarded.docker(
        "run",
        "-d",
        "--name=brief",
        "-p",
        "7000-7001:80-81",
        "--label=linkspan.allow.7000=10.9.0.0/16",
        *SERVE,
    )
    guarded.kill_daemon()
    assert code(guarded, "lan", f"{HOST}:7000") == "000"
    backend = (
        "iptables" if guarded.run("host", "iptables", "-S", "DOCKER", check=False).code == 0 else "nftables"
    )
    guarded.daemon(f"--firewall-backend={backend}", f"--userland-proxy={str(guarded.proxy).lower()}")
    assert code(guarded, "lan", f"{HOST}:7000") == "000"
    assert code(guarded, "lan", f"{HOST}:8080") == "200"
    assert code(guarded, "internet", f"{UPLINK}:8080") == "000"
    guarded.docker("rm", "-f", "brief")
    left = guarded.run("host", "bash", "-c", "iptables-save; nft list ruleset").out
    assert "10.9.0.0" not in left


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("linkspan.allow.8070=10.0.0.1/8", "10.0.0.0/8 is the subnet"),
        ("linkspan.allow.8070=example.org", '"example.org" is no address'),
        ("linkspan.allow.8071=10.0.0.0/8", "no port 8071 is published"),
        ("linkspan.allow.web=10.0.0.0/8", "invalid port specification"),
    ],
)
def test_a_list_that_cannot_be_is_refused_at_create(guarded, label, words):
    refused = guarded.docker("create", "-p", "8070:80", "--label", label, "busybox", check=False)
    assert refused.code == 1
    assert words in refused.err
    assert "8070" not in guarded.docker("ps", "-a").out


def test_no_list_where_every_port_is_open(guarded):
    mode = "com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected"
    guarded.docker("network", "create", "-o", mode, "bare")
    run = (
        "run",
        "-d",
        "--name=bared",
        "--network=bare",
        "-p",
        "8060:80",
        "--label=linkspan.allow.8060=10.0.0.0/8",
    )
    assert "an allow-list of port 80 would not hold" in guarded.docker(*run, *SERVE, check=False).err
    guarded.docker("rm", "bared")
    guarded.docker("network", "rm", "bare")
