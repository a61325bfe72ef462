"""IPv6 as a user asks for it: dual stack, IPv6 only, published ports of both families, addresses by hand."""

from __future__ import annotations

import json

from linkspan.lab.topology import (
    HOST_ADDRESS,
    HOST_ADDRESS_V6,
    INTERNET_ADDRESS_V6,
    LAN_ADDRESS,
    LAN_ADDRESS_V6,
)

GATEWAY6 = "fd00:60::1"
SUBNETS = ("--ipv6", "--subnet", "10.60.0.0/24", "--subnet", "fd00:60::/64")


def endpoint(stage, name: str, network: str) -> dict:
    return stage.inspect(name)["NetworkSettings"]["Networks"][network]


def who(stage, where: str, host: str, port: int = 8080) -> str:
    """The address by which a web server saw the one who asked."""
    return stage.get(where, f"http://{host}:{port}/cgi-bin/ip").strip("[]").removeprefix("::ffff:")


def web6(stage, name: str, *flags: str) -> None:
    """A web server on both families, as `Stage.web`."""
    script = (
        "mkdir -p /www/cgi-bin; printf '#!/bin/sh\\necho\\necho $REMOTE_ADDR\\n' > /www/cgi-bin/ip;"
        " chmod 755 /www/cgi-bin/ip; exec httpd -f -h /www -p '[::]:80'"
    )
    stage.docker("run", "-d", "--name", name, *flags, "busybox", "sh", "-c", script)
    stage.until(lambda: ":80 " in stage.inside(name, "netstat", "-ltn").out)


def test_a_subnet_of_unique_local_addresses_is_chosen(stage):
    stage.docker("network", "create", "--ipv6", "chosen")
    stage.docker("network", "create", "--ipv6", "other")
    four, six = (pool["Subnet"] for pool in stage.network("chosen")["IPAM"]["Config"])
    assert "." in four and six.startswith("fd") and six.endswith("/64")
    assert stage.network("other")["IPAM"]["Config"][1]["Subnet"].split(":")[:3] == six.split(":")[:3]
    stage.sleeper("web", "--network", "chosen")
    standing = endpoint(stage, "web", "chosen")
    assert standing["GlobalIPv6Address"] and standing["IPv6Gateway"] == six.replace("/64", "1")
    assert stage.inside("web", "sysctl", "-n", "net.ipv6.conf.eth0.disable_ipv6").text == "0"
    assert stage.inside("web", "ping", "-6", "-c1", "-W2", INTERNET_ADDRESS_V6).code == 0


def test_subnet_gateway_range_and_address_by_hand(stage):
    stage.docker(
        *("network", "create", "--ipv6", "--subnet", "fd00:60::/64", "--gateway", "fd00:60::fe"),
        *("--ip-range", "fd00:60::100/120", "hand"),
    )
    stage.sleeper("dynamic", "--network", "hand")
    stage.sleeper("fixed", "--network", "hand", "--ip6", "fd00:60::42")
    assert endpoint(stage, "dynamic", "hand")["GlobalIPv6Address"].startswith("fd00:60::1")
    assert endpoint(stage, "fixed", "hand")["GlobalIPv6Address"] == "fd00:60::42"
    assert "via fd00:60::fe" in stage.inside("fixed", "ip", "-6", "route").out
    bridge = f"br-{stage.network('hand')['Id'][:12]}"
    assert "fd00:60::fe/64" in stage.host("ip", "-6", "address", "show", bridge).out
    taken = stage.fails("run", "--network", "hand", "--ip6", "fd00:60::42", "busybox", "true")
    assert "Address already in use" in taken.both
    outside = stage.fails("run", "--network", "hand", "--ip6", "fd00:61::1", "busybox", "true")
    assert "no configured subnet contains IP address fd00:61::1" in outside.both


def test_published_ports_are_native_in_both_families(stage):
    stage.docker("network", "create", *SUBNETS, "dual")
    web6(stage, "web", "--network", "dual", "-p", "8080:80")
    assert sorted(stage.docker("port", "web").lines) == ["80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080"]
    assert who(stage, "lan", f"[{HOST_ADDRESS_V6}]") == LAN_ADDRESS_V6
    assert who(stage, "lan", HOST_ADDRESS) == LAN_ADDRESS
    assert who(stage, "host", "[::1]") == GATEWAY6
    assert any("--to-destination [fd00:60::2]:80" in r for r in stage.rules("nat", family="ip6tables"))
    stage.docker("rm", "-f", "web")
    assert not any("DNAT" in r for r in stage.rules("nat", family="ip6tables"))


def test_the_proxy_carries_one_family_to_the_other(stage):
    stage.docker("network", "create", "--subnet", "10.61.0.0/24", "four")
    stage.docker("network", "create", "--ipv6", "--ipv4=false", "--subnet", "fd00:60::/64", "six")
    web6(stage, "four", "--network", "four", "-p", "8080:80")
    web6(stage, "six", "--network", "six", "-p", "8081:80")
    assert who(stage, "lan", f"[{HOST_ADDRESS_V6}]", 8080) == "10.61.0.1"
    assert who(stage, "lan", HOST_ADDRESS, 8081) == GATEWAY6
    assert who(stage, "lan", f"[{HOST_ADDRESS_V6}]", 8081) == LAN_ADDRESS_V6


def test_a_network_without_ipv4(stage):
    stage.docker("network", "create", "--ipv6", "--ipv4=false", "only6")
    shown = stage.network("only6")
    assert (shown["EnableIPv4"], shown["EnableIPv6"]) == (False, True)
    stage.sleeper("one", "--network", "only6")
    stage.sleeper("two", "--network", "only6")
    assert stage.inside("one", "ip", "-4", "-o", "address", "show", "eth0").out == ""
    assert endpoint(stage, "one", "only6")["IPAddress"] == ""
    assert stage.inside("one", "ping", "-6", "-c1", "-W2", "two").code == 0
    refused = stage.fails("network", "create", "--ipv4=false", "nothing")
    assert "IPv4 or IPv6 must be enabled" in refused.both


def test_an_endpoint_without_ipv6_speaks_none(stage):
    stage.sleeper("web")
    assert stage.inside("web", "sysctl", "-n", "net.ipv6.conf.eth0.disable_ipv6").text == "1"
    assert stage.host("sysctl", "-n", "net.ipv6.conf.docker0.accept_ra").text == "0"


def test_the_default_bridge_has_ipv6_when_the_daemon_says_so(stage_with):
    stage = stage_with("--ipv6", "--fixed-cidr-v6=fd00:66::/64")
    web6(stage, "web", "-p", "8080:80")
    assert endpoint(stage, "web", "bridge")["GlobalIPv6Address"].startswith("fd00:66::")
    assert who(stage, "lan", f"[{HOST_ADDRESS_V6}]") == LAN_ADDRESS_V6
    assert stage.inside("web", "ping", "-6", "-c1", "-W2", INTERNET_ADDRESS_V6).code == 0
    shown = json.loads(stage.docker("network", "inspect", "bridge").out)[0]
    assert shown["EnableIPv6"] is True


def test_without_ip6tables_there_are_no_rules_of_ipv6(stage_with):
    stage = stage_with("--ip6tables=false")
    stage.docker("network", "create", *SUBNETS, "dual")
    web6(stage, "web", "--network", "dual", "-p", "8080:80")
    assert not any("DOCKER" in line for line in stage.rules("filter", family="ip6tables"))
    assert who(stage, "lan", f"[{HOST_ADDRESS_V6}]") == GATEWAY6


def test_each_familys_ports_are_on_the_network_it_leads_out_by(stage):
    stage.docker("network", "create", "--subnet", "10.61.0.0/24", "four")
    stage.docker("network", "create", *SUBNETS, "dual")
    web6(stage, "web", "--network", "name=four,gw-priority=1", "--network", "dual", "-p", "8080:80")
    assert who(stage, "lan", f"[{HOST_ADDRESS_V6}]") == LAN_ADDRESS_V6
    assert who(stage, "lan", HOST_ADDRESS) == LAN_ADDRESS
    stage.docker("network", "disconnect", "dual", "web")
    assert who(stage, "lan", f"[{HOST_ADDRESS_V6}]") == "10.61.0.1"
