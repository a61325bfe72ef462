"""A small survey: two containers on docker0, one of them on an internal project network, others elsewhere."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest

from linkspan.insight.survey import survey
from linkspan.kernel.links import LinkState, LinkStatistics
from linkspan.model.container import Container, State
from linkspan.model.network import Endpoint, Network, Pool
from linkspan.model.ports import PortBinding
from linkspan.model.sandbox import ContainerIdentity, Sandbox
from linkspan.network.observing import HostView

BRIDGE, BACK, WEB, DB = "b" * 64, "c" * 64, "1" * 64, "2" * 64


def network(id: str, name: str, bridge: str, subnet: str, **more: Any) -> Network:
    return Network(
        id,
        name,
        "bridge",
        "",
        bridge=bridge,
        pools=(Pool(ip_network(subnet), ip_network(subnet)[1]),),
        **more,
    )


def endpoint(
    id: str, of: Network, container: str, name: str, links: tuple[str, str], address: str
) -> Endpoint:
    return Endpoint(
        id,
        of.id,
        of.name,
        container,
        name,
        "/run/x",
        links[1],
        links[0],
        "02:42:ac:11:00:02",
        ip_interface(address),
    )


def container(id: str, name: str, mode: str = "bridge", status: str = "running", **labels: str) -> Container:
    named = {key.replace("_", "."): value for key, value in labels.items()}
    running = status == "running"
    state = State(running=running, pid=7 if running else 0, started_at="2026-01-01T00:00:00Z")
    return Container(
        id, name, "", "", "busybox", "sh", (), {"Labels": named}, {"NetworkMode": mode}, state=state
    )


@pytest.fixture
def seen() -> dict[str, Any]:
    """The survey as the daemon gives it."""
    bridge = network(BRIDGE, "bridge", "docker0", "172.17.0.0/16")
    back = network(
        BACK,
        "shop_back",
        "br-cccccccccccc",
        "172.18.0.0/16",
        internal=True,
        labels=(("com.docker.compose.project", "shop"),),
    )
    web = endpoint("e1", bridge, WEB, "web", ("veth0000001", "eth0"), "172.17.0.2/16")
    web_back = endpoint("e2", back, WEB, "web", ("veth0000002", "eth1"), "172.18.0.2/16")
    db = endpoint("e3", back, DB, "db", ("veth0000003", "eth0"), "172.18.0.3/16")
    bindings = tuple(
        PortBinding("tcp", ip_address(address), port, inner, count)
        for address, port, inner, count in (
            ("0.0.0.0", 8080, 80, 1),
            ("::", 8080, 80, 1),
            ("127.0.0.1", 9000, 9000, 11),
        )
    )
    host = Network("d" * 64, "host", "host", "")
    direct = replace(web, id="e4", network_id=host.id, network_name="host", link="", host_link="", ipv4=None)
    sandboxes = (
        Sandbox(ContainerIdentity("4" * 64, "direct"), "host", "", (direct,)),
        Sandbox(ContainerIdentity(WEB, "web"), "bridge", "/run/1", (web, web_back), bindings, gateway="e1"),
        Sandbox(ContainerIdentity(DB, "db"), "shop_back", "/run/2", (db,)),
    )
    containers = (
        container(WEB, "web"),
        container(DB, "db", "shop_back", com_docker_compose_project="shop", com_docker_compose_service="db"),
        container("3" * 64, "side", f"container:{WEB}"),
        container("4" * 64, "direct", "host"),
        container("5" * 64, "off", status="created"),
    )
    links = [
        LinkState(1, "lo", up=True),
        LinkState(2, "eth0", "veth", "02:00:00:00:00:01", 1500, up=True),
        LinkState(4, "docker0", "bridge", up=True),
        LinkState(5, "veth0000001", "veth", master=4, peer=2, up=True),
        LinkState(6, "br-cccccccccccc", "bridge", up=True),
        LinkState(7, "veth0000002", "veth", master=6, peer=3, up=True),
        LinkState(8, "veth0000003", "veth", master=6, peer=2, up=True),
    ]
    counters = {"veth0000001": LinkStatistics(10, 1, 0, 0, 2000, 20, 0, 3)}
    addresses = {
        1: [ip_interface("127.0.0.1/8")],
        2: [ip_interface("10.0.0.5/24"), ip_interface("fe80::1/64")],
        4: [ip_interface("172.17.0.1/16")],
        6: [ip_interface("172.18.0.1/16")],
    }
    view = HostView({link.name: link for link in links}, counters, addresses)
    return survey((bridge, back, host), sandboxes, containers, view)
