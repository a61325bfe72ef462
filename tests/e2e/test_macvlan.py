"""macvlan: containers on the LAN itself, in every mode, with and without a way for the host."""

from __future__ import annotations

import re

import pytest

from linkspan.lab.topology import HOST_ADDRESS, LAN_ADDRESS

LAN = ("--subnet", "10.0.0.0/24", "--gateway", LAN_ADDRESS, "--ip-range", "10.0.0.64/27")
SHIM = "com.linkspan.macvlan.host_address"


def create(stage, name: str, *options: str) -> None:
    """A macvlan network on the lab's LAN; the LAN client is its gateway."""
    given = [part for option in options for part in ("-o", option)]
    stage.docker("network", "create", "-d", "macvlan", *LAN, "-o", "parent=eth0", *given, name)


def reaches(stage, name: str, address: str) -> bool:
    return stage.inside(name, "ping", "-c1", "-W1", address, check=False).code == 0


def host_reaches(stage, address: str) -> bool:
    return stage.host("ping", "-c1", "-W1", address, check=False).code == 0


def test_containers_are_on_the_lan_and_the_host_is_not_with_them(stage):
    create(stage, "lan")
    stage.web("web", "--network", "lan", "-p", "8080:80")
    stage.sleeper("peer", "--network", "lan")
    settings = stage.inspect("web")["NetworkSettings"]["Networks"]["lan"]
    assert (settings["IPAddress"], settings["Gateway"]) == ("10.0.0.64", LAN_ADDRESS)
    assert stage.get("lan", "http://10.0.0.64/cgi-bin/ip") == LAN_ADDRESS
    assert reaches(stage, "web", LAN_ADDRESS) and reaches(stage, "peer", "10.0.0.64")
    assert not host_reaches(stage, "10.0.0.64")
    assert "macvlan mode bridge" in stage.host("sh", "-c", details(stage, "web")).out
    assert stage.docker("port", "web").out == ""
    stage.docker("restart", "-t", "0", "web")
    stage.until(lambda: stage.get("lan", "http://10.0.0.64/cgi-bin/ip") == LAN_ADDRESS)


def details(stage, name: str) -> str:
    return f"nsenter --net={stage.inspect(name)['NetworkSettings']['SandboxKey']} ip -d link show eth0"


def test_the_host_has_a_link_of_its_own_if_it_wants(stage):
    create(stage, "lan", f"{SHIM}=10.0.0.40")
    stage.web("web", "--network", "lan")
    assert stage.get("host", "http://10.0.0.64/cgi-bin/ip") == "10.0.0.40"
    assert reaches(stage, "web", "10.0.0.40") and reaches(stage, "web", HOST_ADDRESS)
    assert stage.network("lan")["IPAM"]["Config"][0]["AuxiliaryAddresses"] == {"host": "10.0.0.40"}
    assert "10.0.0.64 dev mv-" in stage.host("ip", "route").out
    (shim,) = re.findall(r"mv-\w+", stage.host("ip", "-o", "link").out)[:1]
    stage.host("ip", "link", "del", shim)
    stage.until(lambda: stage.get("host", "http://10.0.0.64/cgi-bin/ip") == "10.0.0.40")
    assert "is gone" not in stage.lab.daemon_log()
    stage.docker("stop", "-t", "0", "web")
    stage.lab.stop_daemon()
    stage.lab.daemon()
    stage.docker("start", "web")
    stage.until(lambda: stage.get("host", "http://10.0.0.64/cgi-bin/ip") == "10.0.0.40")
    stage.docker("rm", "-f", "web")
    assert "10.0.0.64" not in stage.host("ip", "route").out
    stage.docker("network", "rm", "lan")
    assert "mv-" not in stage.host("ip", "-o", "link").out


def test_an_address_for_the_host_is_chosen(stage):
    create(stage, "lan", f"{SHIM}=true")
    stage.sleeper("web", "--network", "lan")
    assert stage.network("lan")["IPAM"]["Config"][0]["AuxiliaryAddresses"] == {"host": "10.0.0.64"}
    assert host_reaches(stage, stage.address("web", "lan"))


@pytest.mark.parametrize("mode", ["private", "vepa"])
def test_modes_that_keep_containers_apart(stage, mode):
    create(stage, "lan", f"macvlan_mode={mode}")
    stage.sleeper("one", "--network", "lan")
    stage.sleeper("two", "--network", "lan")
    assert reaches(stage, "one", LAN_ADDRESS)
    assert not reaches(stage, "one", stage.address("two", "lan"))


def test_passthru_carries_one_container_with_the_parents_address(stage):
    stage.docker(
        *("network", "create", "-d", "macvlan", "--subnet", "10.90.0.0/24"),
        *("-o", "parent=eth1", "-o", "macvlan_mode=passthru", "through"),
    )
    mac = stage.host("cat", "/sys/class/net/eth1/address").text
    stage.sleeper("one", "--network", "through")
    assert stage.inspect("one")["NetworkSettings"]["Networks"]["through"]["MacAddress"] == mac
    assert mac in stage.inside("one", "ip", "link", "show", "eth0").out
    refused = stage.fails("run", "--network", "through", "busybox", "true")
    assert "where a parent carries one endpoint: it is that of container one" in refused.both
    stage.docker("restart", "-t", "0", "one")
    again = stage.fails("network", "create", "-d", "macvlan", "-o", "parent=eth1", "again")
    assert "cannot use mode passthru" in again.both


def test_without_a_parent_containers_have_only_each_other(stage):
    stage.docker("network", "create", "-d", "macvlan", "--subnet", "10.91.0.0/24", "alone")
    stage.sleeper("one", "--network", "alone")
    stage.sleeper("two", "--network", "alone")
    assert reaches(stage, "one", "two")
    assert "default" not in stage.inside("one", "ip", "route").out
    assert not host_reaches(stage, stage.address("one", "alone"))
    stage.docker("rm", "-f", "one", "two")
    stage.docker("network", "rm", "alone")
    assert "dm-" not in stage.host("ip", "-o", "link").out


def test_several_subnets_of_one_family(stage):
    """`--ip` says which one a container is in. The docker command sends them in any order."""
    stage.docker(
        *("network", "create", "-d", "macvlan", "-o", "parent=eth0"),
        *("--subnet", "10.0.0.128/30", "--subnet", "10.93.0.0/24", "--gateway", "10.93.0.9"),
        "lan",
    )
    stage.lab.run("lan", "ip", "addr", "add", "10.93.0.9/24", "dev", "eth0")
    try:
        stage.sleeper("first", "--network", "lan", "--ip", "10.0.0.130")
        stage.sleeper("next", "--network", "lan")
        stage.web("chosen", "--network", "lan", "--ip", "10.93.0.77")
        shown = {
            name: (found["IPAddress"], found["IPPrefixLen"], found["Gateway"])
            for name in ("first", "next", "chosen")
            for found in [stage.inspect(name)["NetworkSettings"]["Networks"]["lan"]]
        }
        assert shown == {
            "first": ("10.0.0.130", 30, "10.0.0.129"),
            "next": ("10.93.0.1", 24, "10.93.0.9"),
            "chosen": ("10.93.0.77", 24, "10.93.0.9"),
        }
        assert stage.get("lan", "http://10.93.0.77/cgi-bin/ip") == "10.93.0.9"
        assert reaches(stage, "next", "10.0.0.9"), "by its own gateway"
        stage.lab.kill_daemon()
        stage.lab.daemon()
        taken = stage.fails("run", "--network", "lan", "--ip", "10.93.0.77", "busybox", "true")
        assert "Address already in use (by container chosen)" in taken.both
        outside = stage.fails("run", "--network", "lan", "--ip", "10.94.0.7", "busybox", "true")
        assert "no configured subnet contains IP address 10.94.0.7" in outside.both
    finally:
        stage.lab.run("lan", "ip", "addr", "del", "10.93.0.9/24", "dev", "eth0")


def test_a_macvlan_network_beside_a_bridge_network(stage):
    create(stage, "lan")
    stage.docker("network", "create", "back")
    stage.web("web", "--network", "name=back,gw-priority=1", "--network", "lan", "-p", "8080:80")
    assert stage.get("host", "http://127.0.0.1:8080/") and stage.get("lan", "http://10.0.0.64/")
    stage.docker("network", "disconnect", "lan", "web")
    assert "eth1" not in stage.inside("web", "ip", "-o", "link").out
    stage.docker("network", "connect", "lan", "web")
    assert stage.get("lan", "http://10.0.0.64/")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("parent=nosuch0",), "invalid subinterface vlan name nosuch0, example formatting is eth0.10"),
        (("parent=eth9.5",), "parent interface eth9 was not found"),
        (("parent=eth0.4095",), "vlan id must be between 1-4094, received: 4095"),
        (("parent=eth0", "macvlan_mode=magic"), "requested macvlan mode 'magic' is not valid"),
        (("parent=eth0", "macvlan_mode=vepa", f"{SHIM}=true"), "needs the driver macvlan in bridge mode"),
        (("parent=eth0", f"{SHIM}=192.168.9.9"), "is not in 10.92.0.0/24"),
    ],
)
def test_options_that_cannot_be(stage, options, complaint):
    given = [part for option in options for part in ("-o", option)]
    refused = stage.fails("network", "create", "-d", "macvlan", "--subnet", "10.92.0.0/24", *given, "bad")
    assert complaint in refused.both


def test_what_the_kernel_lacks_is_named(stage):
    """On a kernel that has them, the networks are made instead."""
    for flags, module in (
        (("-d", "macvlan", "-o", "parent=eth0.50"), "8021q"),
        (("-d", "ipvlan", "-o", "parent=eth0"), "ipvlan"),
    ):
        made = stage.docker("network", "create", *flags, "maybe", check=False)
        if made.code == 0:
            stage.docker("network", "rm", "maybe")
        else:
            assert f"its module {module} is not there and cannot be loaded" in made.both
