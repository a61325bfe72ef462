"""IPv6 on user-defined networks: addresses, packets, published ports, isolation."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def six(stage):
    """A network "six" with both families and a web server "c1" on it."""
    stage.docker("network", "create", "--ipv6", "--subnet", "fd00:77::/64", "--subnet", "10.77.0.0/24", "six")
    return stage


def address(stage, name: str, network: str = "six") -> str:
    return stage.inspect(name)["NetworkSettings"]["Networks"][network]["GlobalIPv6Address"]


def test_inspect_shows_both_families(six):
    config = six.network("six")["IPAM"]["Config"]
    assert {each["Subnet"] for each in config} == {"fd00:77::/64", "10.77.0.0/24"}
    assert six.network("six")["EnableIPv6"] is True


def test_a_subnet_is_chosen_among_the_unique_local_ones(stage):
    stage.docker("network", "create", "--ipv6", "auto")
    subnets = [each["Subnet"] for each in stage.network("auto")["IPAM"]["Config"]]
    assert any(re.fullmatch(r"fd[0-9a-f:]+::/64", subnet) for subnet in subnets)


def test_containers_reach_each_other(six):
    six.sleeper("c1", "--network", "six")
    six.sleeper("c2", "--network", "six")
    assert "0% packet loss" in six.inside("c2", "ping", "-6", "-c1", "-W2", address(six, "c1")).out


def test_a_container_reaches_the_internet(six):
    six.sleeper("c1", "--network", "six")
    assert "0% packet loss" in six.inside("c1", "ping", "-6", "-c1", "-W2", "2001:db8:1::1").out


def test_a_fixed_address(six):
    six.sleeper("c1", "--network", "six", "--ip6", "fd00:77::7")
    assert address(six, "c1") == "fd00:77::7"
    assert "inet6 fd00:77::7/64" in six.inside("c1", "ip", "addr").out


def test_a_published_port_is_translated_in_the_kernel(six):
    six.docker(
        "run", "-d", "--name", "c1", "--network", "six", "-p", "8080:80", "busybox", "httpd", "-f", "-v"
    )
    assert any(
        "--dport 8080 -j DNAT --to-destination [" in rule for rule in six.rules("nat", family="ip6tables")
    )
    six.until(lambda: "404" in six.get("lan", "http://[fd00:10::5]:8080/"))
    assert "fd00:10::9" in six.docker("logs", "c1").both


def test_networks_are_cut_off_over_ipv6_too(six):
    six.docker("network", "create", "--ipv6", "--subnet", "fd00:78::/64", "other")
    six.sleeper("c1", "--network", "six")
    six.sleeper("c2", "--network", "other")
    assert six.inside("c2", "ping", "-6", "-c1", "-W1", address(six, "c1"), check=False).code != 0


def test_a_network_without_ipv6_has_it_turned_off(stage):
    stage.docker("network", "create", "four")
    stage.sleeper("c1", "--network", "four")
    assert "inet6" not in stage.inside("c1", "ip", "addr", "show", "eth0").out


def test_removal_leaves_nothing(six):
    before = six.snapshot()
    six.sleeper("c1", "--network", "six", "-p", "8080:80")
    six.docker("rm", "-f", "c1")
    six.unchanged_since(before)
