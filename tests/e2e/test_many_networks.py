"""Several networks for one container: gateways, names, settings, addresses, and what moves when one goes."""

from __future__ import annotations

import pytest

from linkspan.lab.topology import HOST_ADDRESS, LAN_ADDRESS

IFNAME = "driver-opt=com.docker.network.endpoint.ifname"
SYSCTLS = "driver-opt=com.docker.network.endpoint.sysctls"


@pytest.fixture
def networks(stage):
    """Three networks: one 10.81.0.0/24, two 10.82.0.0/24, three 10.83.0.0/24."""
    for number, name in enumerate(("one", "two", "three"), start=1):
        stage.docker("network", "create", "--subnet", f"10.8{number}.0.0/24", name)
    return stage


def gateway(stage, name: str) -> str:
    return next(
        line.split()[2]
        for line in stage.inside(name, "ip", "route").out.splitlines()
        if line.startswith("default")
    )


def test_the_order_is_kept_and_the_gateway_is_the_first_by_priority_and_name(networks):
    stage = networks
    stage.sleeper("plain", "--network", "two", "--network", "one")
    shown = stage.inside("plain", "ip", "-4", "-o", "address").out
    assert "eth0    inet 10.82.0.2" in shown and "eth1    inet 10.81.0.2" in shown
    assert gateway(stage, "plain") == "10.81.0.1"
    stage.sleeper("chosen", "--network", "one", "--network", "name=two,gw-priority=1")
    assert gateway(stage, "chosen") == "10.82.0.1"


def test_gateway_and_ports_move_with_the_networks(networks):
    stage = networks
    stage.web("web", "--network", "name=one,gw-priority=5", "--network", "two", "-p", "8080:80")
    assert gateway(stage, "web") == "10.81.0.1"
    for change, wanted in (
        (("disconnect", "one", "web"), "10.82.0.1"),
        (("connect", "--gw-priority", "9", "three", "web"), "10.83.0.1"),
        (("connect", "one", "web"), "10.83.0.1"),
        (("disconnect", "three", "web"), "10.81.0.1"),
    ):
        stage.docker("network", *change)
        assert gateway(stage, "web") == wanted
        assert stage.get("lan", f"http://{HOST_ADDRESS}:8080/cgi-bin/ip") == LAN_ADDRESS
        assert sum("--dport 8080" in rule for rule in stage.rules("nat")) == 1
    stage.docker("network", "disconnect", "one", "web")
    stage.docker("network", "disconnect", "two", "web")
    assert stage.inside("web", "ip", "route").out == ""
    assert stage.docker("port", "web").out == ""


def test_interfaces_are_named_by_hand(networks):
    stage = networks
    stage.sleeper("web", "--network", "one", "--network", f"name=two,{IFNAME}=eth0")
    shown = stage.inside("web", "ip", "-4", "-o", "address").out
    assert "eth0    inet 10.82.0.2" in shown and "eth1    inet 10.81.0.2" in shown
    stage.docker("network", "connect", "--driver-opt", IFNAME.split("opt=")[1] + "=lan7", "three", "web")
    assert "lan7    inet 10.83.0.2" in stage.inside("web", "ip", "-4", "-o", "address").out
    twice = ("--network", f"name=one,{IFNAME}=x1", "--network", f"name=two,{IFNAME}=x1")
    assert "asked for by more than one network" in stage.fails("run", *twice, "busybox", "true").both
    for bad in ("much-too-long-for-a-link", "lo", "a/b"):
        refused = stage.fails("run", "--network", f"name=one,{IFNAME}={bad}", "busybox", "true")
        assert "invalid interface name" in refused.both


def test_settings_of_one_interface(networks):
    stage = networks
    key = "net.ipv4.conf.IFNAME.log_martians"
    stage.sleeper("web", "--network", "one", "--network", f"name=two,{SYSCTLS}={key}=1")
    values = [
        stage.inside("web", "sysctl", "-n", f"net.ipv4.conf.eth{number}.log_martians").text
        for number in (0, 1)
    ]
    assert values == ["0", "1"]
    wrong = f"name=two,{SYSCTLS}=net.ipv4.conf.eth0.log_martians=1"
    assert (
        "unrecognised network interface sysctl"
        in stage.fails("run", "--network", wrong, "busybox", "true").both
    )


def test_addresses_of_one_interface(networks):
    stage = networks
    stage.sleeper(
        "web",
        *("--network", "name=one,ip=10.81.0.77,mac-address=02:11:22:33:44:55,alias=front"),
        *("--network", "name=two,mac-address=02:11:22:33:44:66,link-local-ip=169.254.7.7"),
    )
    one, two = (stage.inspect("web")["NetworkSettings"]["Networks"][name] for name in ("one", "two"))
    assert (one["IPAddress"], one["MacAddress"]) == ("10.81.0.77", "02:11:22:33:44:55")
    assert two["MacAddress"] == "02:11:22:33:44:66"
    assert two["IPAMConfig"] == {"LinkLocalIPs": ["169.254.7.7"]}
    assert "169.254.7.7/16" in stage.inside("web", "ip", "-o", "address", "show", "eth1").out
    assert stage.inside("web", "ip", "link", "show", "eth0").out.count("02:11:22:33:44:55") == 1


def test_a_stopped_container_is_connected_for_its_next_start(networks):
    stage = networks
    stage.docker("create", "--name", "web", "--network", "one", "busybox", "sleep", "1000")
    stage.docker("network", "connect", "--ip", "10.82.0.9", "two", "web")
    stage.docker("network", "disconnect", "one", "web")
    stage.docker("start", "web")
    assert stage.inside("web", "ip", "-4", "-o", "address", "show", "eth0").out.count("10.82.0.9/24") == 1
