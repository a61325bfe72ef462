"""What `docker inspect` shows."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from linkspan.engine.configuration import complete_config, complete_host_config
from linkspan.engine.inspect import (
    Shape,
    container_document,
    mount_document,
    network_settings,
    networks_document,
    ports_document,
    state_document,
)
from linkspan.model.container import Container, Health, MountPoint, Probe, State
from linkspan.model.network import Endpoint, EndpointConfig
from linkspan.model.ports import PortBinding
from linkspan.model.sandbox import ContainerIdentity, Sandbox

ID = "c" * 64


def container(**fields: Any) -> Container:
    host = complete_host_config({"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}})
    base = Container(
        id=ID,
        name="web",
        created="2024-01-01T00:00:00Z",
        image_id="sha256:1",
        image="busybox",
        path="sleep",
        args=("1",),
        config=complete_config({"Image": "busybox", "ExposedPorts": {"80/tcp": {}, "53/udp": {}}}),
        host_config=host,
        networks={"bridge": EndpointConfig()},
        state=State(running=True, started_at="2024-01-01T00:00:01Z"),
    )
    return replace(base, **fields)


ENDPOINT = Endpoint(
    id="e1",
    network_id="n1",
    network_name="bridge",
    container_id=ID,
    container_name="web",
    sandbox="/ns",
    mac="02:42:00:00:00:01",
    ipv4=IPv4Interface("172.17.0.2/16"),
    gateway4=IPv4Address("172.17.0.1"),
)
BINDINGS = (PortBinding("tcp", IPv4Address("0.0.0.0"), 8080, 80, 2),)
SANDBOX = Sandbox(ContainerIdentity(ID, "web"), "bridge", "/ns", (ENDPOINT,), BINDINGS)


def test_state() -> None:
    document = state_document(State(exit_code=3, health=Health("healthy", 0, (Probe("s", "e", 0, "ok"),))))
    assert (document["Status"], document["ExitCode"]) == ("created", 3)
    assert document["Health"]["Log"] == [{"Start": "s", "End": "e", "ExitCode": 0, "Output": "ok"}]
    assert "Health" not in state_document(State())


def test_ports_are_the_bindings_and_the_exposed_ports_without_one() -> None:
    assert ports_document(container(), SANDBOX) == {
        "53/udp": None,
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}],
        "81/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8081"}],
    }
    assert ports_document(container(), None) == {}
    shared = container(host_config=complete_host_config({"NetworkMode": "host"}))
    assert ports_document(shared, SANDBOX) == {}


def test_the_endpoint_that_stands() -> None:
    found = networks_document(container(), SANDBOX, {}, Shape())["bridge"]
    assert (found["IPAddress"], found["IPPrefixLen"], found["Gateway"]) == ("172.17.0.2", 16, "172.17.0.1")
    assert (found["NetworkID"], found["EndpointID"], found["MacAddress"]) == ("n1", "e1", "02:42:00:00:00:01")


def test_a_stopped_container_keeps_what_was_asked_and_the_networks_id() -> None:
    config = EndpointConfig(ipv4=IPv4Address("10.0.0.9"), aliases=("db",), mac="02:00:00:00:00:01")
    down = container(networks={"n": config}, state=State(started_at="2024-01-01T00:00:01Z"))
    found = networks_document(down, None, {"n": "nid"}, Shape())["n"]
    assert found["IPAMConfig"] == {"IPv4Address": "10.0.0.9"}
    assert (found["Aliases"], found["MacAddress"], found["IPAddress"]) == (["db"], "02:00:00:00:00:01", "")
    assert found["NetworkID"] == "nid"
    created = replace(down, state=State())
    assert networks_document(created, None, {"n": "nid"}, Shape())["n"]["NetworkID"] == ""


def test_old_clients_find_the_short_id_among_the_aliases() -> None:
    own = replace(ENDPOINT, network_name="n", dns_names=("web",))
    sandbox = replace(SANDBOX, endpoints=(own,))
    one = container(networks={"n": EndpointConfig(aliases=("db",))})
    old, new = Shape(short_id_alias=True, dns_names=False), Shape()
    assert networks_document(one, sandbox, {}, old)["n"]["Aliases"] == ["db", ID[:12]]
    assert "DNSNames" not in networks_document(one, sandbox, {}, old)["n"]
    assert networks_document(one, sandbox, {}, new)["n"]["Aliases"] == ["db"]
    assert networks_document(container(), SANDBOX, {}, old)["bridge"]["Aliases"] is None
    assert networks_document(replace(one, state=State()), None, {}, old)["n"]["Aliases"] == ["db"]


def test_the_newest_api_has_no_top_level_addresses() -> None:
    legacy = network_settings(container(), SANDBOX, {}, Shape(), {})
    assert (legacy["IPAddress"], legacy["Gateway"]) == ("172.17.0.2", "172.17.0.1")
    assert set(network_settings(container(), SANDBOX, {}, Shape(legacy=False), {})) == {
        "SandboxID",
        "SandboxKey",
        "Ports",
        "Networks",
    }


def test_each_network_names_the_hosts_link() -> None:
    sandbox = replace(SANDBOX, endpoints=(replace(ENDPOINT, host_link="veth1"),))
    for indexes, expected in (({"veth1": 7}, {"Name": "veth1", "Index": 7}), ({}, None)):
        found = network_settings(container(), sandbox, {}, Shape(), indexes)
        assert found["Networks"]["bridge"]["HostInterface"] == expected
    down = network_settings(container(), None, {}, Shape(), {})
    assert [each["HostInterface"] for each in down["Networks"].values()] == [None]


def test_mounts() -> None:
    volume = mount_document(MountPoint("volume", "/v", "/d", name="v", driver="local", mode="z"))
    assert (volume["Name"], volume["Driver"], volume["RW"], volume["Propagation"]) == ("v", "local", True, "")
    bind = mount_document(MountPoint("bind", "/s", "/d", read_only=True, propagation="rprivate"))
    assert "Name" not in bind
    assert (bind["RW"], bind["Propagation"]) == (False, "rprivate")


def test_the_whole_document() -> None:
    paths = {"ResolvConfPath": "", "HostnamePath": "", "HostsPath": "", "LogPath": "/l"}
    document = container_document(container(), {"Ports": {}}, paths, ["e"], {"Name": "overlay2"})
    assert (document["Name"], document["Path"], document["Args"]) == ("/web", "sleep", ["1"])
    assert (document["ExecIDs"], document["LogPath"]) == (["e"], "/l")
    assert document["HostConfig"]["NetworkMode"] == "bridge"
