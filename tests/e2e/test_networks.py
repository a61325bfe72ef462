"""User-defined networks: making, showing, joining, leaving, removing them, and what they keep apart."""

from __future__ import annotations

import json
import re

import pytest

BRIDGE = "com.docker.network.bridge."


def test_create_prints_the_id_and_makes_the_bridge(stage):
    id = stage.docker("network", "create", "front").text
    assert re.fullmatch("[0-9a-f]{64}", id)
    assert f"br-{id[:12]}" in stage.host("ip", "-o", "link").out


def test_ls_shows_dockers_table(stage):
    id = stage.docker("network", "create", "front").text
    lines = [line.split() for line in stage.docker("network", "ls").lines]
    assert lines[0] == ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]
    assert [id[:12], "front", "bridge", "local"] in lines
    assert {line[1] for line in lines[1:]} == {"bridge", "host", "none", "front"}


def test_subnets_come_in_dockers_order_and_skip_the_hosts_routes(own_stage):
    own_stage.host("ip", "route", "add", "172.19.128.0/20", "via", "100.64.0.1")
    subnets = []
    for name in ("a", "b", "c"):
        own_stage.docker("network", "create", name)
        subnets.append(own_stage.network(name)["IPAM"]["Config"][0]["Subnet"])
    assert subnets == ["172.18.0.0/16", "172.20.0.0/16", "172.21.0.0/16"]


def test_a_freed_subnet_is_given_again(own_stage):
    own_stage.docker("network", "create", "a")
    own_stage.docker("network", "rm", "a")
    own_stage.docker("network", "create", "b")
    assert own_stage.network("b")["IPAM"]["Config"] == [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]


def test_inspect_tells_what_was_asked_for(stage):
    stage.docker(
        "network",
        "create",
        "--subnet=10.5.0.0/16",
        "--gateway=10.5.255.254",
        "--ip-range=10.5.7.0/24",
        "--aux-address=printer=10.5.7.1",
        "--label=a=b",
        "-o",
        f"{BRIDGE}name=br-front",
        "front",
    )
    shown = stage.network("front")
    assert shown["IPAM"]["Config"] == [
        {
            "Subnet": "10.5.0.0/16",
            "IPRange": "10.5.7.0/24",
            "Gateway": "10.5.255.254",
            "AuxiliaryAddresses": {"printer": "10.5.7.1"},
        }
    ]
    assert shown["Labels"] == {"a": "b"}
    assert shown["Options"] == {f"{BRIDGE}name": "br-front"}
    assert (shown["Driver"], shown["Scope"], shown["Internal"]) == ("bridge", "local", False)
    assert "inet 10.5.255.254/16" in stage.host("ip", "addr", "show", "br-front").out


def test_ip_range_and_reserved_addresses_are_kept_to(stage):
    stage.docker(
        "network",
        "create",
        "--subnet=10.5.0.0/16",
        "--ip-range=10.5.7.0/24",
        "--aux-address=x=10.5.7.1",
        "front",
    )
    stage.sleeper("c1", "--network", "front")
    address = stage.address("c1", "front")
    assert address.startswith("10.5.7.")
    assert address not in ("10.5.7.0", "10.5.7.1", stage.network("front")["IPAM"]["Config"][0]["Gateway"])


def test_a_fixed_address_alias_and_mac(stage):
    stage.docker("network", "create", "--subnet=10.5.0.0/24", "front")
    flags = ["--ip=10.5.0.77", "--network-alias=shop", "--mac-address=02:42:0a:05:00:4d"]
    stage.sleeper("c1", "--network", "front", *flags)
    shown = stage.inspect("c1")["NetworkSettings"]["Networks"]["front"]
    assert shown["IPAddress"] == "10.5.0.77"
    assert shown["MacAddress"] == "02:42:0a:05:00:4d"
    assert shown["Aliases"] == ["shop"]
    assert shown["IPAMConfig"] == {"IPv4Address": "10.5.0.77"}
    inside = stage.inside("c1", "ip", "addr").out
    assert "inet 10.5.0.77/24" in inside
    assert "02:42:0a:05:00:4d" in inside


def test_mtu_reaches_bridge_and_container(stage):
    stage.docker(
        "network", "create", "-o", "com.docker.network.driver.mtu=1400", "-o", f"{BRIDGE}name=brm", "front"
    )
    stage.sleeper("c1", "--network", "front")
    assert "mtu 1400" in stage.host("ip", "link", "show", "brm").out
    assert "mtu 1400" in stage.inside("c1", "ip", "link", "show", "eth0").out


def test_networks_are_cut_off_from_each_other(stage):
    stage.docker("network", "create", "front")
    stage.docker("network", "create", "back")
    stage.web("c1", "--network", "front")
    stage.sleeper("c2", "--network", "back")
    stage.sleeper("c3", "--network", "front")
    target = stage.address("c1", "front")
    assert stage.inside("c3", "timeout", "2", "wget", "-qO-", f"http://{target}/").text
    assert stage.inside("c2", "timeout", "1", "wget", "-qO-", f"http://{target}/", check=False).code != 0
    assert stage.inside("c2", "ping", "-c1", "-W1", target, check=False).code != 0


def test_isolation_does_not_hang_on_the_forward_policy(stage):
    stage.host("iptables", "-P", "FORWARD", "ACCEPT")
    stage.docker("network", "create", "front")
    stage.web("c1", "--network", "front")
    stage.sleeper("c2")
    target = stage.address("c1", "front")
    assert stage.inside("c2", "timeout", "1", "wget", "-qO-", f"http://{target}/", check=False).code != 0


def test_another_network_reaches_a_published_port(stage):
    stage.docker("network", "create", "front")
    stage.web("c1", "--network", "front", "-p", "8080:80")
    stage.sleeper("c2")
    assert stage.inside("c2", "timeout", "2", "wget", "-qO-", "http://10.0.0.5:8080/").text


def test_an_internal_network_leads_nowhere(stage):
    stage.docker("network", "create", "--internal", "vault")
    stage.web("c1", "--network", "vault")
    stage.sleeper("c2", "--network", "vault")
    assert "default" not in stage.inside("c1", "ip", "route").out
    assert stage.inside("c2", "timeout", "2", "wget", "-qO-", f"http://{stage.address('c1', 'vault')}/").text
    assert stage.inside("c2", "ping", "-c1", "-W1", "198.51.100.1", check=False).code != 0
    assert stage.get("host", f"http://{stage.address('c1', 'vault')}/")


def test_icc_off_keeps_containers_apart_but_leads_out(stage):
    stage.docker("network", "create", "-o", f"{BRIDGE}enable_icc=false", "quiet")
    stage.web("c1", "--network", "quiet")
    stage.sleeper("c2", "--network", "quiet")
    target = stage.address("c1", "quiet")
    assert stage.inside("c2", "timeout", "1", "wget", "-qO-", f"http://{target}/", check=False).code != 0
    assert "0% packet loss" in stage.inside("c2", "ping", "-c1", "-W2", "198.51.100.1").out


def test_masquerade_can_be_turned_off(stage):
    stage.docker(
        "network", "create", "-o", f"{BRIDGE}enable_ip_masquerade=false", "--subnet=10.5.0.0/24", "plain"
    )
    assert not any("-s 10.5.0.0/24" in rule for rule in stage.rules("nat"))


def test_host_binding_is_the_default_address_of_ports(stage):
    stage.docker("network", "create", "-o", f"{BRIDGE}host_binding_ipv4=10.0.0.5", "front")
    stage.web("c1", "--network", "front", "-p", "8080:80")
    assert stage.docker("port", "c1").text == "80/tcp -> 10.0.0.5:8080"
    assert stage.get("lan", "http://10.0.0.5:8080/")


def test_connect_adds_a_link_to_a_running_container_and_disconnect_takes_it(stage):
    stage.sleeper("c1")
    stage.docker("network", "create", "--subnet=10.5.0.0/24", "front")
    before = stage.snapshot()
    stage.docker("network", "connect", "--ip", "10.5.0.9", "--alias", "x", "front", "c1")
    assert "inet 10.5.0.9/24" in stage.inside("c1", "ip", "addr", "show", "eth1").out
    assert set(stage.inspect("c1")["NetworkSettings"]["Networks"]) == {"bridge", "front"}
    containers = stage.network("front")["Containers"]
    assert [(each["Name"], each["IPv4Address"]) for each in containers.values()] == [("c1", "10.5.0.9/24")]
    stage.docker("network", "disconnect", "front", "c1")
    assert "eth1" not in stage.inside("c1", "ip", "link").out
    stage.unchanged_since(before)


def test_ports_move_to_the_network_that_is_left(stage):
    stage.docker("network", "create", "front")
    stage.web("c1", "-p", "8080:80")
    stage.docker("network", "connect", "front", "c1")
    stage.docker("network", "disconnect", "bridge", "c1")
    assert stage.get("lan", "http://10.0.0.5:8080/")


def test_connecting_a_stopped_container_takes_effect_at_start(stage):
    stage.docker("create", "--name", "c1", "busybox", "sleep", "1000")
    stage.docker("network", "create", "front")
    stage.docker("network", "connect", "front", "c1")
    stage.docker("start", "c1")
    assert stage.address("c1", "front")
    assert stage.address("c1", "bridge")


def test_several_networks_at_run(stage):
    stage.docker("network", "create", "front")
    stage.docker("network", "create", "back")
    stage.sleeper("c1", "--network", "front", "--network", "back")
    assert len(re.findall(r"inet 1[\d.]+/16", stage.inside("c1", "ip", "addr").out)) == 2


def test_rm_takes_bridge_rules_and_addresses(stage):
    before = stage.snapshot()
    stage.docker("network", "create", "front")
    assert stage.docker("network", "rm", "front").text == "front"
    stage.unchanged_since(before)


def test_rm_refuses_a_network_in_use(stage):
    stage.docker("network", "create", "front")
    id = stage.sleeper("c1", "--network", "front")
    endpoint = next(iter(stage.network("front")["Containers"].values()))["EndpointID"]
    result = stage.fails("network", "rm", "front")
    network = stage.network("front")["Id"]
    assert f"network front id {network} has active endpoints" in result.err or (
        f'has active endpoints (name:"c1" id:"{endpoint[:12]}")' in result.err
    )
    assert id in stage.network("front")["Containers"]


@pytest.mark.parametrize("name", ["bridge", "host", "none"])
def test_predefined_networks_stay(stage, name):
    assert f"{name} is a pre-defined network and cannot be removed" in stage.fails("network", "rm", name).err


def test_prune_removes_the_unused_ones(stage):
    stage.docker("network", "create", "used")
    stage.docker("network", "create", "unused")
    stage.sleeper("c1", "--network", "used")
    assert stage.docker("network", "prune", "-f").out == "Deleted Networks:\nunused\n\n"
    names = stage.docker("network", "ls", "--format", "{{.Name}}").lines
    assert "used" in names
    assert "unused" not in names


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("name=fro", {"front"}),
        ("type=builtin", {"bridge", "host", "none"}),
        ("type=custom", {"front", "back"}),
        ("label=a=b", {"back"}),
        ("driver=host", {"host"}),
        ("dangling=true", {"front", "back"}),
    ],
)
def test_ls_filters(stage, wanted, names):
    stage.docker("network", "create", "front")
    stage.docker("network", "create", "--label", "a=b", "back")
    assert set(stage.docker("network", "ls", "--format", "{{.Name}}", "--filter", wanted).lines) == names


def test_networks_are_found_by_a_unique_piece_of_the_id(stage):
    id = stage.docker("network", "create", "front").text
    assert json.loads(stage.docker("network", "inspect", id[:10]).out)[0]["Name"] == "front"


def test_docker_user_is_never_touched(own_stage):
    own_stage.host("iptables", "-I", "DOCKER-USER", "-s", "10.9.9.9", "-j", "DROP")
    own_stage.docker("network", "create", "front")
    own_stage.sleeper("c1", "--network", "front", "-p", "8080:80")
    own_stage.docker("rm", "-f", "c1")
    own_stage.docker("network", "rm", "front")
    own_stage.lab.stop_daemon()
    own_stage.lab.daemon()
    rules = own_stage.rules("filter")
    assert "-A DOCKER-USER -s 10.9.9.9/32 -j DROP" in rules
    assert next(line for line in rules if line.startswith("-A FORWARD")) == "-A FORWARD -j DOCKER-USER"


def test_networks_outlive_the_daemon(own_stage):
    own_stage.docker("network", "create", "--subnet=10.5.0.0/24", "front")
    before = own_stage.network("front")
    own_stage.lab.stop_daemon()
    own_stage.lab.daemon()
    assert own_stage.network("front") == before
    own_stage.web("c1", "--network", "front", "-p", "8080:80")
    assert own_stage.get("lan", "http://10.0.0.5:8080/")
