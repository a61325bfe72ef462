"""Network and IPAM drivers that are plugins, spoken to as Docker does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("plugin_demo.py")
PLACE = "/run/docker/plugins/demo"
HELP = ("--ipam-driver", "demo")


class Demo:
    """The plugin on the lab's host, and the calls it had."""

    def __init__(self, stage) -> None:
        self.stage = stage
        self.log = stage.lab.directory / "plugin.log"
        self.log.write_text("")
        stage.host("rm", "-f", f"{PLACE}.sock")
        stage.lab.start("host", sys.executable, str(SCRIPT), f"{PLACE}.sock", str(self.log))
        stage.until(lambda: stage.host("test", "-S", f"{PLACE}.sock", check=False).code == 0)

    def end(self) -> None:
        self.stage.host("kill", self.stage.host("cat", f"{PLACE}.pid").text, check=False)

    def calls(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def methods(self) -> list[str]:
        return [call["method"].partition(".")[2] for call in self.calls()]


@pytest.fixture
def demo(stage):
    made = Demo(stage)
    yield made
    stage.clear()
    made.end()


def links(stage) -> str:
    return stage.host("ip", "-o", "link").out


def test_a_network_of_a_plugin(demo, stage):
    stage.docker("network", "create", "-d", "demo", "--subnet", "10.99.0.0/24", "-o", "colour=red", "net")
    created = demo.calls()[-1]["body"]
    assert created["Options"]["com.docker.network.generic"] == {"colour": "red"}
    assert created["IPv4Data"][0]["Pool"] == "10.99.0.0/24"
    assert stage.network("net")["Driver"] == "demo"
    stage.web("web", "--network", "net")
    stage.sleeper("peer", "--network", "net", "--ip", "10.99.0.9")
    shown = stage.inside("web", "ip", "-4", "-o", "address").out
    assert "plug0    inet 10.99.0.2/24" in shown
    routes = stage.inside("web", "ip", "route").out
    assert "default via 10.99.0.1 dev plug0" in routes
    assert "10.123.0.0/16 via 10.99.0.1" in routes and "10.124.0.0/16 dev plug0" in routes
    assert stage.inspect("web")["NetworkSettings"]["Networks"]["net"]["MacAddress"].startswith("02:99:")
    assert stage.inside("peer", "wget", "-qO-", "http://web/").code == 0
    stage.docker("rm", "-f", "web", "peer")
    assert demo.methods()[-2:] == ["Leave", "DeleteEndpoint"] and "@pc" not in links(stage)
    stage.docker("network", "rm", "net")
    assert demo.methods()[-1] == "DeleteNetwork" and ": pb" not in links(stage)


def test_it_is_plugged_and_unplugged_while_the_container_runs(demo, stage):
    stage.docker("network", "create", "-d", "demo", "--subnet", "10.99.0.0/24", "net")
    stage.sleeper("web")
    stage.docker("network", "connect", "net", "web")
    assert "plug0" in stage.inside("web", "ip", "-o", "link").out
    stage.docker("network", "disconnect", "net", "web")
    assert "plug0" not in stage.inside("web", "ip", "-o", "link").out
    assert "default via 172." in stage.inside("web", "ip", "route").out
    assert demo.methods()[-2:] == ["Leave", "DeleteEndpoint"]


def test_addresses_of_a_plugin_on_a_bridge(demo, stage):
    stage.docker("network", "create", *HELP, "--ipam-opt", "floor=2", "net")
    pool = next(call for call in demo.calls() if call["method"] == "IpamDriver.RequestPool")
    assert (pool["body"]["Options"], pool["body"]["AddressSpace"]) == ({"floor": "2"}, "here")
    assert stage.network("net")["IPAM"]["Config"] == [{"Subnet": "10.99.0.0/24", "Gateway": "10.99.0.1"}]
    stage.sleeper("web", "--network", "net")
    assert stage.address("web", "net") == "10.99.0.2"
    stage.docker("rm", "-f", "web")
    assert demo.calls()[-1] == {
        "method": "IpamDriver.ReleaseAddress",
        "body": {"PoolID": "pool-1", "Address": "10.99.0.2"},
    }
    stage.docker("network", "rm", "net")
    assert demo.methods()[-1] == "ReleasePool"


def test_what_a_plugin_refuses_leaves_nothing(demo, stage):
    refused = stage.fails("network", "create", "-d", "demo", "-o", "fail=yes", *HELP, "net")
    assert "demo: NetworkDriver.CreateNetwork: this network cannot be" in refused.both
    assert demo.methods()[-1] == "ReleasePool"
    assert "net" not in stage.docker("network", "ls", "--format", "{{.Name}}").lines


def test_what_a_plugin_does_not_let_go_stays(demo, stage):
    stage.docker("network", "create", "-d", "demo", "--subnet", "10.99.0.0/24", "net")
    keep = demo.log.with_suffix(".keep")
    keep.touch()
    refused = stage.fails("network", "rm", "net")
    keep.unlink()
    assert "demo: NetworkDriver.DeleteNetwork: this network stays" in refused.both
    stage.docker("run", "--rm", "--network", "net", "busybox", "true")
    stage.docker("network", "rm", "net")


def test_a_plugin_is_told_of_published_ports(demo, stage):
    stage.docker("network", "create", "-d", "demo", "--subnet", "10.99.0.0/24", "net")
    stage.sleeper("web", "--network", "net", "-p", "8080:80")
    port = {"Proto": 6, "IP": "", "Port": 80, "HostIP": "", "HostPort": 8080, "HostPortEnd": 8080}
    for method in ("CreateEndpoint", "Join", "ProgramExternalConnectivity"):
        call = next(call for call in demo.calls() if call["method"] == f"NetworkDriver.{method}")
        assert call["body"]["Options"]["com.docker.network.portmap"] == [port]
        assert call["body"]["Options"]["com.docker.network.endpoint.exposedports"] == [
            {"Proto": 6, "Port": 80}
        ]
    stage.docker("network", "create", "other")
    stage.docker("network", "connect", "--gw-priority", "1", "other", "web")
    assert demo.methods()[-1] == "RevokeExternalConnectivity"
    stage.docker("network", "disconnect", "other", "web")
    assert demo.methods()[-1] == "ProgramExternalConnectivity"
    stage.docker("rm", "-f", "web")
    assert demo.methods()[-3:] == ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"]


def test_a_slow_plugin_holds_up_nobody_else(demo, stage):
    gate = stage.lab.directory / "gate"
    command = ["docker", "network", "create", "-d", "demo", "--subnet", "10.99.0.0/24", "-o", f"gate={gate}"]
    environment = {**os.environ, **stage.lab.client_env}
    slow = subprocess.Popen([*command, "slow"], env=environment, stdout=subprocess.PIPE)
    stage.until(lambda: "CreateNetwork" in demo.methods())
    stage.docker("network", "create", "quick", timeout=10)
    stage.docker("run", "--rm", "--network", "quick", "busybox", "true", timeout=10)
    stage.docker("network", "rm", "quick", timeout=10)
    taken = stage.fails("network", "create", "slow", timeout=10)
    assert "network with name slow already exists" in taken.both
    overlap = stage.fails("network", "create", "--subnet", "10.99.0.0/16", "wide", timeout=10)
    assert "Pool overlaps with other one" in overlap.both
    assert slow.poll() is None
    gate.touch()
    assert slow.communicate(timeout=10)[0].strip().decode() == stage.network("slow")["Id"]


def test_networks_outlive_the_daemon_and_a_plugin_that_is_away(demo, stage):
    stage.docker("network", "create", "-d", "demo", "--subnet", "10.99.0.0/24", "net")
    stage.lab.stop_daemon()
    stage.lab.daemon()
    stage.sleeper("web", "--network", "net")
    stage.docker("rm", "-f", "web")
    demo.end()
    away = stage.fails("run", "--network", "net", "busybox", "true")
    assert "plugin demo cannot be reached for NetworkDriver.CreateEndpoint" in away.both
    Demo(stage)  # so that the network can go


@pytest.mark.parametrize("flags", [("-d", "nosuch"), ("--ipam-driver", "nosuch")], ids=["network", "ipam"])
def test_a_plugin_that_is_not_there(stage, flags):
    refused = stage.fails("network", "create", *flags, "net")
    assert "could not find plugin nosuch in v1 plugin registry: plugin not found" in refused.both


def test_the_null_ipam_driver_gives_no_addresses(stage):
    stage.docker("network", "create", "-d", "macvlan", "--ipam-driver", "null", "-o", "parent=eth0", "net")
    stage.sleeper("web", "--network", "net")
    assert stage.inside("web", "ip", "-4", "-o", "address", "show", "eth0").out == ""
    assert "ipv4 pool is empty" in stage.fails("network", "create", "--ipam-driver", "null", "b").both
