"""Two containers on docker0, a third that publishes a port, and what the host shows of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from linkspan.lab import Lab, Snapshot


class Story:
    """The host after `run web`, `run db`, `run -p 8080:80 shop`, and what it was before."""

    def __init__(self, stage, before: Snapshot) -> None:
        self.stage = stage
        self.before = before


@pytest.fixture(scope="module")
def story(request) -> Iterator[Story]:
    from linkspan.lab import lab as _  # noqa: F401  the lab must be importable before it is built

    stage_class = type(request.getfixturevalue("shared_stage"))
    with Lab() as lab:
        lab.daemon()
        stage = stage_class(lab)
        before = stage.snapshot()
        stage.web("web")
        stage.sleeper("db")
        stage.web("shop", "-p", "8080:80")
        yield Story(stage, before)


@pytest.fixture
def told(story):
    return story.stage


# 1. The daemon starts -------------------------------------------------------------------------------------


def test_docker0_has_its_address(told):
    assert "inet 172.17.0.1/16" in told.host("ip", "addr", "show", "docker0").out


def test_forwarding_is_on(told):
    assert told.host("cat", "/proc/sys/net/ipv4/ip_forward").text == "1"


def test_docker_user_comes_first_in_forward(told):
    forward = [line for line in told.rules("filter") if line.startswith("-A FORWARD")]
    assert forward[0] == "-A FORWARD -j DOCKER-USER"
    assert forward[1] == "-A FORWARD -j DOCKER-FORWARD"
    assert "-N DOCKER-USER" in told.rules("filter")


# 2. Two containers on docker0 -----------------------------------------------------------------------------


def test_each_container_has_a_veth_in_docker0(told):
    links = told.host("ip", "link", "ls").out
    found = re.findall(
        r"\d+: (veth[0-9a-f]{7})@if\d+: .*?master docker0 .*?link-netnsid \d+", links, re.DOTALL
    )
    assert len(found) == 3


def test_brctl_lists_them(told):
    shown = told.host("brctl", "show", "docker0").out
    assert all(veth in shown for veth in told.veths())


def test_addresses_are_given_in_order(told):
    assert [told.address(name) for name in ("web", "db", "shop")] == [
        "172.17.0.2",
        "172.17.0.3",
        "172.17.0.4",
    ]


def test_a_container_sees_eth0_with_its_address_and_route(told):
    assert re.search(r"eth0@if\d+", told.inside("web", "ip", "link").out)
    assert "inet 172.17.0.2/16" in told.inside("web", "ip", "addr").out
    assert "default via 172.17.0.1 dev eth0" in told.inside("web", "ip", "route").out


def test_the_ends_of_a_veth_name_each_other(told):
    inner = told.inside("db", "ip", "-o", "link", "show", "eth0").out
    inner_index, outer_index = re.match(r"(\d+): eth0@if(\d+)", inner).groups()
    assert re.search(
        rf"^{outer_index}: veth\w+@if{inner_index}:", told.host("ip", "-o", "link").out, re.MULTILINE
    )


def test_containers_ping_each_other(told):
    assert "0% packet loss" in told.inside("web", "ping", "-c1", "-W2", "172.17.0.3").out


def test_a_container_reaches_the_internet_by_masquerade(told):
    assert "0% packet loss" in told.inside("db", "ping", "-c1", "-W2", "198.51.100.1").out


# 3. A published port --------------------------------------------------------------------------------------


def test_netstat_shows_the_proxy(told):
    lines = [line for line in told.host("netstat", "-nlp").lines if ":8080 " in line]
    assert sorted(line.split()[0] for line in lines) == ["tcp", "tcp6"]
    assert all("/linkspan-proxy" in line for line in lines)


@pytest.mark.parametrize(
    "rule",
    [
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
        "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "-A POSTROUTING -s 172.17.0.4/32 -d 172.17.0.4/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
        "-A DOCKER -i docker0 -j RETURN",
        "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.4:80",
    ],
)
def test_nat_has_dockers_rule(told, rule):
    assert rule in told.rules("nat")


def test_iptables_lists_the_port_as_in_dockers_books(told):
    listed = told.host("iptables", "-t", "nat", "-L", "-n").out
    assert re.search(r"DNAT .* tcp dpt:8080 to:172\.17\.0\.4:80", listed)
    assert re.search(r"MASQUERADE .* 172\.17\.0\.4 +172\.17\.0\.4 +tcp dpt:80", listed)


def test_the_lan_is_answered_and_seen_by_its_address(told):
    assert told.get("lan", "http://10.0.0.5:8080/cgi-bin/ip") == "10.0.0.9"


def test_the_host_is_answered_on_its_own_address(told):
    assert told.get("host", "http://10.0.0.5:8080/cgi-bin/ip") == "10.0.0.5"


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
def test_loopback_is_answered_through_the_proxy(told, address):
    assert told.get("host", f"http://{address}:8080/cgi-bin/ip") == "172.17.0.1"


def test_the_lan_is_answered_over_ipv6(told):
    assert told.get("lan", "http://[fd00:10::5]:8080/cgi-bin/ip") == "172.17.0.1"


def test_another_container_is_answered_by_the_hosts_address(told):
    assert (
        told.inside("web", "timeout", "2", "wget", "-qO-", "http://10.0.0.5:8080/cgi-bin/ip").text
        == "172.17.0.1"
    )


def test_the_container_reaches_its_own_published_port(told):
    assert (
        told.inside("shop", "timeout", "2", "wget", "-qO-", "http://10.0.0.5:8080/cgi-bin/ip").text
        == "172.17.0.1"
    )


def test_ps_prints_the_port_as_docker_does(told):
    listed = told.docker("ps", "--filter", "name=shop", "--format", "{{.Ports}}").text
    assert listed == "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"


def test_unpublished_ports_stay_closed_to_a_lan_that_routes_to_containers(told):
    told.lab.run("lan", "ip", "route", "add", "172.17.0.0/16", "via", "10.0.0.5")
    try:
        assert told.get("lan", "http://172.17.0.2/", timeout=1) == ""
        assert told.get("lan", "http://172.17.0.4/", timeout=1) == ""
    finally:
        told.lab.run("lan", "ip", "route", "del", "172.17.0.0/16")


# 7. And all is gone ---------------------------------------------------------------------------------------


def test_zz_removal_leaves_the_host_as_it_was(story):
    told = story.stage
    told.docker("rm", "-f", "web", "db", "shop")
    assert told.veths() == []
    assert ":8080 " not in told.host("ss", "-nlp").out
    told.unchanged_since(story.before)
