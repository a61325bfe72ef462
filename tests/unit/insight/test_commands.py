"""Everything, in the order in which it can be built."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network
from pathlib import Path

from linkspan.insight.commands import Builder, build, namespace_names
from linkspan.model.network import Endpoint, Network, Pool
from linkspan.model.sandbox import ContainerIdentity, Sandbox
from linkspan.network.settings import NetworkSettings
from linkspan.network.wanted import Wanted

SUBNET = ip_network("172.18.0.0/16")
FRONT = Network("a" * 64, "front", "bridge", "", bridge="br-aaaaaaaaaaaa", pools=(Pool(SUBNET, SUBNET[1]),))
OTHER = Network("b" * 64, "other", "bridge", "", bridge="br-bbbbbbbbbbbb")


def endpoint(network, link):
    place = (network.id, network.name, "c", "web", "/run/c")
    return Endpoint(link, *place, link, f"veth{link}", "", ip_interface("172.18.0.2/16"))


def test_only_what_is_shown_is_built():
    networks = {each.id: each for each in (FRONT, OTHER)}
    wanted = Wanted(networks.__getitem__, NetworkSettings(exec_root=Path("/run/linkspan")))
    points = (endpoint(FRONT, "eth0"), endpoint(OTHER, "eth1"))
    sandbox = Sandbox(ContainerIdentity("c", "web"), "front", "/run/c", points, gateway="eth0")
    groups = build(Builder(wanted, "iptables", (4,)), [FRONT], [sandbox])
    assert [title for title, _ in groups] == ["the host, once", "network front", "container web"]
    texts = [command.text for _, commands in groups for command in commands]
    assert any("vetheth0" in text for text in texts)
    assert not any("vetheth1" in text or "br-bbbb" in text for text in texts)
    begins = ("-N DOCKER", "type bridge", "netns")
    order = [next(n for n, text in enumerate(texts) if begin in text) for begin in begins]
    assert order == sorted(order)


def test_names_that_files_can_have():
    sandboxes = [Sandbox(ContainerIdentity("c", "my web/1"), "bridge", "/run/c")]
    assert namespace_names(sandboxes) == {"c": "my_web_1"}
