"""linkspan doctor: what differs between records and host is told, and with --repair put right, both ways."""

from __future__ import annotations

import json
import re

import pytest

from linkspan.lab import Lab, Result

NOBODY = f"linkspan:endpoint:{'0' * 64}:gone"
NOBODYS_LINK = f"ip link add veth7654321 type veth peer veth7654322; ip link set veth7654321 alias {NOBODY}"
NOBODYS_RULE = "iptables -t nat -A DOCKER -p tcp --dport 7777 -j DNAT --to-destination 172.17.0.99:80"


@pytest.fixture(scope="module")
def sick():
    with Lab() as lab:
        lab.daemon("--firewall-backend=iptables")
        lab.docker("run", "-d", "--name", "web", "-p", "8080:80", "busybox", "httpd", "-f")
        yield lab


def doctor(lab: Lab, *flags: str) -> Result:
    return lab.linkspan("doctor", *flags, check=False)


def test_all_is_well_on_a_healthy_host(sick):
    well = doctor(sick)
    assert (well.code, "WRONG" in well.out) == (0, False), well.both
    checks = json.loads(doctor(sick, "--json").out)["Checks"]
    assert len(checks) == 4 and not any(check["Findings"] for check in checks)


def test_what_does_not_fit_around_the_engine_is_told_with_its_remedy(sick):
    sick.docker("run", "-d", "--name", "deaf", "-p", "9090:90", "busybox", "sleep", "1000")
    hinted = doctor(sick)
    assert hinted.code == 0, "a program may begin to listen later"
    assert "hint: 9090 → 90/tcp of deaf is published, and nobody listens on 90 inside" in hinted.out
    sick.docker("rm", "-f", "deaf")
    sick.run(
        "host",
        "sh",
        "-c",
        "ip link add vpn0 type veth peer name vpn1; ip link set vpn0 up; ip link set vpn1 up",
    )
    sick.run("host", "ip", "route", "add", "172.17.128.0/24", "dev", "vpn0")
    told = doctor(sick)
    assert told.code == 1
    assert "the route 172.17.128.0/24 by vpn0 overlaps 172.17.0.0/16 of network bridge" in told.out
    assert "remedy: vpn0 may be a VPN" in told.out
    sick.run("host", "ip", "link", "del", "vpn0")
    assert doctor(sick).code == 0


def test_what_is_ours_and_nobodys_is_told_and_removed(sick):
    before = sick.snapshot()
    root, run = sick.data_root, sick.exec_root
    sick.run("host", "bash", "-c", NOBODYS_LINK)
    sick.run("host", "bash", "-c", NOBODYS_RULE)
    (run / "netns" / "0123456789ab").touch()
    (root / "containers" / ("ab" * 32)).mkdir()
    told = doctor(sick)
    assert told.code == 1
    assert len(re.findall(r"belongs to nothing", told.out)) == 3, told.out
    assert "the files of abababababab, which is no container, left" in told.out
    done = doctor(sick, "--repair")
    assert done.code == 0 and done.out.count("repaired: ") == 4, done.both
    assert doctor(sick).code == 0
    assert before.difference(sick.snapshot()) == ""


def test_what_a_container_lacks_inside_is_told_and_made_again(sick):
    pid = sick.docker("inspect", "-f", "{{.State.Pid}}", "web").text
    inside = ("nsenter", "-t", pid, "-n", "ip")
    sick.run("host", *inside, "address", "flush", "dev", "eth0")
    told = doctor(sick)
    assert told.code == 1
    assert "address 172.17.0.2/16 on eth0 of web is missing" in told.out
    assert "default route by 172.17.0.1 on eth0 of web is missing" in told.out
    assert doctor(sick, "--repair").code == 0
    assert (
        sick.run("lan", "curl", "-s", "-o", "/dev/null", "--max-time", "2", "http://10.0.0.5:8080/").code == 0
    )


def test_a_daemon_that_cannot_be_asked_is_exit_code_2(sick):
    away = sick.linkspan("-H", "unix:///nowhere.sock", "doctor", check=False)
    assert away.code == 2 and "cannot connect to the Linkspan daemon" in away.err
