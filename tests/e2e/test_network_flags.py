"""Flags of `docker network create` and `disconnect` that no other story tells."""

from __future__ import annotations

import pytest


def pools(stage, name: str) -> list[dict]:
    return stage.network(name)["IPAM"]["Config"]


def test_a_network_from_a_template(stage):
    mtu = "com.docker.network.driver.mtu=1400"
    stage.docker("network", "create", "--config-only", "--subnet", "10.86.0.0/24", "-o", mtu, "template")
    stage.docker("network", "create", "--config-from", "template", "made")
    shown = stage.network("made")
    assert (shown["ConfigFrom"], shown["Driver"]) == ({"Network": "template"}, "bridge")
    assert pools(stage, "made") == [{"Subnet": "10.86.0.0/24", "Gateway": "10.86.0.1"}]
    stage.sleeper("web", "--network", "made")
    assert "mtu 1400" in stage.inside("web", "ip", "link", "show", "eth0").out
    refused = stage.fails("run", "--network", "template", "busybox", "true")
    assert "cannot create endpoint on configuration-only network" in refused.both
    assert 'configuration network "template" is in use' in stage.fails("network", "rm", "template").both
    again = stage.fails("network", "create", "--config-from", "template", "--subnet", "10.87.0.0/24", "x")
    assert "user specified configurations are not supported" in again.both
    stage.docker("rm", "-f", "web")
    stage.docker("network", "rm", "made")
    stage.docker("network", "rm", "template")


def test_reserved_addresses_and_another_gateway(stage):
    stage.docker(
        *("network", "create", "--subnet", "10.86.0.0/24"),
        *("--aux-address", "printer=10.86.0.2", "--aux-address", "DefaultGatewayIPv4=10.86.0.9", "net"),
    )
    stage.sleeper("web", "--network", "net")
    assert stage.address("web", "net") == "10.86.0.3"
    assert "default via 10.86.0.9" in stage.inside("web", "ip", "route").out


def test_a_subnet_of_a_size(stage):
    stage.docker("network", "create", "--subnet", "0.0.0.0/26", "small")
    assert pools(stage, "small")[0]["Subnet"].endswith("/26")


def test_a_network_of_two_addresses(stage):
    stage.docker("network", "create", "--subnet", "10.86.0.0/31", "pair")
    stage.sleeper("web", "--network", "pair")
    assert stage.address("web", "pair") == "10.86.0.1"
    full = stage.fails("run", "--network", "pair", "busybox", "true")
    assert "no available addresses on this pool" in full.both


@pytest.mark.parametrize("flags", [("-d", "overlay"), ("--scope", "swarm"), ("--ingress",)])
def test_what_needs_a_swarm(stage, flags):
    assert "This node is not a swarm manager" in stage.fails("network", "create", *flags, "x").both


def test_attachable_internal_labels_and_options_are_kept(stage):
    stage.docker(
        *("network", "create", "--attachable", "--internal", "--label", "a=b"),
        *("-o", "unknown.option=1", "--ipam-opt", "x=y", "net"),
    )
    shown = stage.network("net")
    assert (shown["Attachable"], shown["Internal"], shown["Labels"]) == (True, True, {"a": "b"})
    assert shown["Options"] == {"unknown.option": "1"} and shown["IPAM"]["Options"] == {"x": "y"}


def test_from_none_to_a_network(stage):
    stage.docker("network", "create", "net")
    stage.sleeper("web", "--network", "none")
    assert "private (none) mode" in stage.fails("network", "connect", "net", "web").both
    stage.docker("network", "disconnect", "none", "web")
    stage.docker("network", "connect", "net", "web")
    assert "eth0" in stage.inside("web", "ip", "-o", "link").out
