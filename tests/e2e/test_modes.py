"""The four network modes: bridge, host, container, none."""

from __future__ import annotations

import pytest


def links(result):
    """Names of the links in `ip -o link` output."""
    return [line.split()[1].split("@")[0].rstrip(":") for line in result.lines]


def test_bridge_is_the_default(stage):
    stage.sleeper("c1")
    assert list(stage.inspect("c1")["NetworkSettings"]["Networks"]) == ["bridge"]
    assert stage.inspect("c1")["HostConfig"]["NetworkMode"] == "bridge"


def test_host_mode_shares_the_hosts_namespace(stage):
    stage.sleeper("c1", "--network", "host")
    ours = stage.host("readlink", "/proc/self/ns/net").text
    assert stage.inside("c1", "readlink", "/proc/self/ns/net").text == ours
    assert "docker0" in links(stage.inside("c1", "ip", "-o", "link"))
    assert stage.veths() == []


def test_host_mode_ignores_published_ports_with_dockers_warning(stage):
    result = stage.docker("run", "-d", "--network", "host", "-p", "8080:80", "busybox", "sleep", "1000")
    assert "WARNING: Published ports are discarded when using host network mode" in result.err
    assert ":8080 " not in stage.host("ss", "-nlt").out


def test_a_server_in_host_mode_is_on_the_hosts_addresses(stage):
    stage.web("c1", "--network", "host", port="8081")
    assert stage.get("lan", "http://10.0.0.5:8081/cgi-bin/ip") in ("10.0.0.9", "::ffff:10.0.0.9")


def test_container_mode_shares_everything_of_the_network(stage):
    stage.web("web")
    stage.sleeper("side", "--network", "container:web")
    assert "inet 172.17.0.2/16" in stage.inside("side", "ip", "addr").out
    assert stage.inside("side", "wget", "-qO-", "http://127.0.0.1/").text
    assert stage.inside("side", "cat", "/etc/hosts").out == stage.inside("web", "cat", "/etc/hosts").out
    assert stage.inside("side", "hostname").text == stage.inside("web", "hostname").text
    assert len(stage.veths()) == 1


CONFLICTS = {
    ("--hostname", "x"): "conflicting options: hostname and the network mode",
    ("-p", "80:80"): "conflicting options: port publishing and the container type network mode",
    ("-P",): "conflicting options: port publishing and the container type network mode",
    ("--expose", "80"): "conflicting options: port exposing and the container type network mode",
    ("--dns", "10.0.0.1"): "conflicting options: dns and the network mode",
    ("--add-host", "a:10.0.0.1"): "conflicting options: custom host-to-IP mapping and the network mode",
    ("--mac-address", "02:42:ac:11:00:99"): "conflicting options",
}


@pytest.mark.parametrize("flags", CONFLICTS, ids=" ".join)
def test_container_mode_refuses_what_belongs_to_the_other(stage, flags):
    stage.sleeper("web")
    result = stage.fails("run", "-d", "--network", "container:web", *flags, "busybox", "sleep", "1")
    assert CONFLICTS[flags] in result.err
    assert result.code == 125


def test_container_mode_needs_a_running_container(stage):
    id = stage.docker("create", "--name", "web", "busybox", "sleep", "1").text
    result = stage.fails("run", "-d", "--network", "container:web", "busybox", "sleep", "1")
    assert f"cannot join network namespace of a non running container: container {id}" in result.err or (
        "cannot join network namespace of a non running container" in result.err
    )
    assert result.code == 125


def test_container_mode_of_an_unknown_container(stage):
    result = stage.fails("run", "-d", "--network", "container:nobody", "busybox", "sleep", "1")
    assert "No such container: nobody" in result.err


def test_when_the_other_stops_only_loopback_is_left(stage):
    stage.sleeper("web")
    stage.sleeper("side", "--network", "container:web")
    stage.docker("stop", "-t", "0", "web")
    assert stage.inspect("side")["State"]["Running"]
    stage.until(lambda: links(stage.inside("side", "ip", "-o", "link")) == ["lo"])


def test_none_has_loopback_only(stage):
    stage.sleeper("c1", "--network", "none")
    assert links(stage.inside("c1", "ip", "-o", "link")) == ["lo"]
    assert stage.inside("c1", "ip", "route").text == ""
    assert list(stage.inspect("c1")["NetworkSettings"]["Networks"]) == ["none"]
    assert stage.veths() == []


def test_none_cannot_be_connected_to_a_network(stage):
    stage.sleeper("c1", "--network", "none")
    stage.docker("network", "create", "front")
    result = stage.fails("network", "connect", "front", "c1")
    assert (
        "container cannot be connected to multiple networks with one of the networks in private (none) mode"
        in result.err
    )


@pytest.mark.parametrize("mode", ["host", "container:web"])
def test_a_shared_namespace_cannot_be_connected_to_a_network(stage, mode):
    stage.sleeper("web")
    stage.sleeper("c1", "--network", mode)
    stage.docker("network", "create", "front")
    result = stage.fails("network", "connect", "front", "c1")
    assert (
        "container sharing network namespace with another container or host cannot be connected" in result.err
    )


def test_nobody_can_be_connected_to_host(stage):
    stage.sleeper("c1")
    result = stage.fails("network", "connect", "host", "c1")
    assert (
        "cannot connect container to host network - container must be created in host network mode"
        in result.err
    )
