"""Someone else's hands: rules, links and addresses that others remove are back within a second."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from linkspan.lab import Lab

WITHIN = 1.0


@pytest.fixture(scope="module", params=["iptables", "nftables"])
def damaged(request) -> Iterator[Lab]:
    """A host with a web server on a network of its own and one on docker0."""
    with Lab() as lab:
        lab.daemon(f"--firewall-backend={request.param}")
        lab.docker("network", "create", "--subnet", "172.30.0.0/24", "front")
        server = ("busybox", "httpd", "-f")
        lab.docker("run", "-d", "--name", "web", "--network", "front", "-p", "8080:80", *server)
        lab.docker("run", "-d", "--name", "plain", "-p", "8081:80", *server)
        yield lab


def answers(lab: Lab, port: int) -> bool:
    """Whether a published port answers the LAN through NAT, by the address that the server sees."""
    command = ("curl", "-s", "-o", "/dev/null", "--max-time", "0.2", f"http://10.0.0.5:{port}/")
    return lab.run("lan", *command, check=False).code == 0


def bridge(lab: Lab) -> str:
    return "br-" + lab.docker("network", "inspect", "-f", "{{.Id}}", "front").text[:12]


PORTS = "for port in $(ls /sys/class/net/BRIDGE/brif); do"
DAMAGE = {
    "all rules of iptables flushed": "for t in filter nat raw; do iptables -t $t -F; done",
    "the nat table flushed": "iptables -t nat -F",
    "the whole rule set flushed": "nft flush ruleset",
    "the bridge set down": "ip link set BRIDGE down",
    "veths pulled out of the bridge": f"{PORTS} ip link set $port nomaster; done",
    "veths deleted": f"{PORTS} ip link del $port; done",
    "addresses of the bridge flushed": "ip address flush dev BRIDGE",
    "the bridge deleted": "ip link del BRIDGE",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_others_remove_is_back_within_a_second(damaged, what):
    before = tuple(damaged.snapshot()[title] for title in ("iptables", "nftables", "addresses"))
    damaged.run("host", "bash", "-c", DAMAGE[what].replace("BRIDGE", bridge(damaged)))
    # Our own last look may have been just before: looks are 0.7 s apart at most, a repair takes the rest.
    time.sleep(WITHIN + 0.2)
    assert answers(damaged, 8080)
    assert answers(damaged, 8081)
    after = tuple(damaged.snapshot()[title] for title in ("iptables", "nftables", "addresses"))
    assert [sorted(each) for each in after] == [sorted(each) for each in before]


def test_a_new_route_into_a_network_is_told(damaged):
    damaged.run("host", "ip", "route", "add", "172.30.0.128/25", "dev", "eth0")
    time.sleep(WITHIN)
    damaged.run("host", "ip", "route", "del", "172.30.0.128/25", "dev", "eth0")
    log = damaged.daemon_log()
    assert "the route 172.30.0.128/25 dev eth0 leads into 172.30.0.0/24, the subnet of network front" in log


def test_a_killed_conmon_takes_its_container_along_and_leaves_nothing(damaged):
    before = damaged.snapshot()
    damaged.docker("run", "-d", "--name", "orphan", "busybox", "sleep", "1000")
    damaged.run("host", "bash", "-c", "kill -9 $(pgrep -n conmon)")
    deadline = time.monotonic() + 5
    status = ("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "orphan")
    while damaged.docker(*status).text != "exited 255" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert damaged.docker(*status).text == "exited 255"
    damaged.docker("rm", "orphan")
    assert before.difference(damaged.snapshot()) == ""


def test_forwarding_that_others_switch_off_is_on_again_within_a_second(damaged):
    damaged.run("host", "sysctl", "-qw", "net.ipv4.ip_forward=0")
    time.sleep(WITHIN)
    assert damaged.run("host", "sysctl", "-n", "net.ipv4.ip_forward").text == "1"
    assert (
        "net.ipv4.ip_forward=1 (leave it to others with --ip-forward=false) had been" in damaged.daemon_log()
    )
