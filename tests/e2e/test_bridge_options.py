"""The `-o` options of bridge networks, each seen doing what it says."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.lab.topology import HOST_ADDRESS, INTERNET, INTERNET_ADDRESS, LAN_ADDRESS, UPLINK_ADDRESS

BRIDGE = "com.docker.network.bridge."


def create(stage, name: str, *flags: str, subnet: str = "10.70.0.0/24", **options: str) -> None:
    """Create a network with bridge options (an underscore for the dot of other options' names)."""
    given = [part for key, value in options.items() for part in ("-o", f"{BRIDGE}{key}={value}")]
    stage.docker("network", "create", "--subnet", subnet, *given, *flags, name)


def answers(stage, where: str, url: str) -> bool:
    return bool(stage.get(where, url, timeout=0.5))


def to_containers(stage, *subnets: str) -> None:
    """Let the LAN route to containers by way of the host."""
    for subnet in subnets:
        stage.lab.run("lan", "ip", "route", "replace", subnet, "via", HOST_ADDRESS)


def test_a_routed_network_opens_its_published_ports_and_translates_nothing(stage):
    to_containers(stage, "10.70.0.0/24")
    create(stage, "routed", gateway_mode_ipv4="routed")
    stage.web("web", "--network", "routed", "-p", "8080:80")
    other = stage.web("other", "--network", "routed", port="81")
    assert stage.inspect("web")["NetworkSettings"]["Ports"] == {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": ""}]
    }
    assert stage.get("lan", "http://10.70.0.2/cgi-bin/ip") == LAN_ADDRESS
    assert not answers(stage, "lan", f"http://{HOST_ADDRESS}:8080/")
    assert not answers(stage, "lan", "http://10.70.0.3:81/") and other
    assert stage.lab.run("lan", "ping", "-c1", "-W1", "10.70.0.3").code == 0
    assert not any("10.70.0" in rule for rule in stage.rules("nat"))
    assert "web" in stage.docker("ps").out


def test_an_unprotected_network_is_reached_by_every_port(stage):
    to_containers(stage, "10.70.0.0/24")
    create(stage, "open", gateway_mode_ipv4="nat-unprotected")
    stage.web("web", "--network", "open", port="81")
    assert answers(stage, "lan", "http://10.70.0.2:81/")


def test_an_isolated_network_has_no_host_in_it(stage):
    create(stage, "alone", "--internal", gateway_mode_ipv4="isolated", gateway_mode_ipv6="isolated")
    bridge = f"br-{stage.network('alone')['Id'][:12]}"
    assert stage.host("ip", "-4", "-o", "address", "show", bridge).out == ""
    stage.web("one", "--network", "alone")
    address = stage.address("one", "alone")
    assert not answers(stage, "host", f"http://{address}/")
    assert stage.docker("run", "--rm", "--network", "alone", "busybox", "wget", "-qO-", "http://one/").out
    refused = stage.fails("network", "create", "-o", f"{BRIDGE}gateway_mode_ipv4=isolated", "x")
    assert "gateway mode 'isolated' can only be used for an internal network" in refused.both


def test_trusted_interfaces_may_go_straight_to_containers(stage):
    to_containers(stage, "10.70.0.0/24", "10.71.0.0/24")
    create(stage, "trusting", trusted_host_interfaces="eth0:tun7")
    create(stage, "strict", subnet="10.71.0.0/24")
    stage.web("in", "--network", "trusting", "-p", "8080:80")
    stage.web("out", "--network", "strict", "-p", "8081:80")
    assert answers(stage, "lan", "http://10.70.0.2/")
    assert not answers(stage, "lan", "http://10.71.0.2/")


def test_without_masquerading_answers_come_back_only_where_direct_routing_is_open(stage):
    """As in Docker: in nat mode an answer to a container's own address is dropped like any packet to it."""
    to_containers(stage, "10.70.0.0/24", "10.71.0.0/24", "10.72.0.0/24")
    create(stage, "plain", enable_ip_masquerade="false")
    create(
        stage, "trusting", subnet="10.71.0.0/24", enable_ip_masquerade="false", trusted_host_interfaces="eth0"
    )
    create(stage, "open", subnet="10.72.0.0/24", gateway_mode_ipv4="routed")
    reached = {}
    for name in ("plain", "trusting", "open"):
        stage.sleeper(name, "--network", name)
        asked = stage.inside(name, "ping", "-c1", "-W1", LAN_ADDRESS, check=False)
        reached[name] = asked.code == 0
    assert reached == {"plain": False, "trusting": True, "open": True}


def test_direct_routing_may_be_allowed_for_published_ports(stage_with):
    stage = stage_with("--allow-direct-routing")
    to_containers(stage, "172.17.0.0/16")
    stage.web("web", "-p", "8080:80")
    stage.web("hidden", port="81")
    assert answers(stage, "lan", f"http://{stage.address('web')}/")
    assert not answers(stage, "lan", f"http://{stage.address('hidden')}:81/")


def test_the_address_to_go_out_with_is_chosen(stage):
    other = str(ip_address(UPLINK_ADDRESS) + 40)
    stage.host("ip", "address", "replace", f"{other}/24", "dev", "eth1")
    stage.lab.start(INTERNET, "socat", "TCP-LISTEN:9,fork,reuseaddr", "SYSTEM:echo $SOCAT_PEERADDR")
    create(stage, "chosen", "-o", f"com.docker.network.host_ipv4={other}")
    create(stage, "plain", subnet="10.71.0.0/24")
    for network, source in (("chosen", other), ("plain", UPLINK_ADDRESS)):
        ask = ("run", "--rm", "--network", network, "busybox", "nc", INTERNET_ADDRESS, "9")
        stage.until(lambda ask=ask, source=source: stage.docker(*ask, check=False).text == source)


def test_the_gateway_address_may_be_left_to_others(stage):
    create(stage, "inhibited", inhibit_ipv4="true")
    bridge = f"br-{stage.network('inhibited')['Id'][:12]}"
    assert stage.host("ip", "-4", "-o", "address", "show", bridge).out == ""
    stage.sleeper("web", "--network", "inhibited")
    assert "default via 10.70.0.1" in stage.inside("web", "ip", "route").out


def test_containers_may_be_kept_from_each_other(stage):
    create(stage, "apart", enable_icc="false")
    stage.web("web", "--network", "apart", "-p", "8080:80")
    stage.sleeper("peer", "--network", "apart")
    assert stage.host("sysctl", "-n", "net.bridge.bridge-nf-call-iptables").text == "1"
    asked = stage.inside("peer", "timeout", "1", "wget", "-qO-", "http://web/", check=False)
    assert asked.code != 0
    assert stage.inside("peer", "wget", "-qO-", f"http://{HOST_ADDRESS}:8080/").code == 0


def test_a_publish_without_an_address_goes_where_the_network_says(stage):
    create(stage, "bound", host_binding_ipv4="127.0.0.1")
    stage.web("web", "--network", "bound", "-p", "8080:80")
    assert stage.docker("port", "web").lines == ["80/tcp -> 127.0.0.1:8080"]
    assert not answers(stage, "lan", f"http://{HOST_ADDRESS}:8080/")


def test_interfaces_are_called_as_the_network_says(stage):
    create(stage, "prefixed", "-o", "com.docker.network.container_iface_prefix=lan")
    stage.sleeper("web", "--network", "prefixed")
    assert "lan0@" in stage.inside("web", "ip", "-o", "link").out


def test_the_mtu_is_the_uplinks_unless_one_is_given(stage):
    stage.host("ip", "link", "set", "eth1", "mtu", "1420")
    try:
        create(stage, "inherited")
        create(stage, "given", "-o", "com.docker.network.driver.mtu=1300", subnet="10.71.0.0/24")
    finally:
        stage.host("ip", "link", "set", "eth1", "mtu", "1500")
    for name, mtu in (("inherited", 1420), ("given", 1300)):
        stage.sleeper(name, "--network", name)
        assert f"mtu {mtu} " in stage.inside(name, "ip", "link", "show", "eth0").out
        assert f"mtu {mtu} " in stage.host("ip", "link", "show", f"br-{stage.network(name)['Id'][:12]}").out


def test_an_existing_bridge_is_used_and_left_as_it_was(stage):
    stage.host("ip", "link", "add", "mine0", "type", "bridge")
    stage.host("ip", "address", "add", "10.70.0.1/24", "dev", "mine0")
    stage.host("ip", "address", "add", "10.99.0.1/24", "dev", "mine0")
    try:
        create(stage, "adopted", "-o", f"{BRIDGE}name=mine0")
        conflict = stage.fails("network", "create", "-o", f"{BRIDGE}name=mine0", "second")
        assert "networks have same bridge name" in conflict.both
        stage.sleeper("web", "--network", "adopted")
        assert stage.inside("web", "ping", "-c1", "-W1", "10.70.0.1").code == 0
        stage.docker("rm", "-f", "web")
        stage.docker("network", "rm", "adopted")
        left = stage.host("ip", "-4", "-o", "address", "show", "mine0").out
        assert "10.70.0.1/24" in left and "10.99.0.1/24" in left
    finally:
        stage.host("ip", "link", "del", "mine0")


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (f"{BRIDGE}enable_icc=maybe", "failed to parse"),
        (f"{BRIDGE}gateway_mode_ipv4=magic", "unknown gateway mode magic"),
        ("com.docker.network.driver.mtu=big", "failed to parse com.docker.network.driver.mtu value"),
        ("com.docker.network.advertise_addr_nmsgs=4", "must be in the range 0 to 3"),
        ("com.docker.network.advertise_addr_ms=50", "must be in the range 100 to 2000"),
        (f"{BRIDGE}name=much-too-long-a-name", "invalid bridge name"),
    ],
)
def test_a_value_that_cannot_be_is_refused(stage, option: str, complaint: str):
    assert complaint in stage.fails("network", "create", "-o", option, "bad").both
