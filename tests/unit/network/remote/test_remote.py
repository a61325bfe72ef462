"""Remote drivers against a plugin in this process: what it is asked, and answers that are of no use."""

from __future__ import annotations

import json
import socketserver
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from linkspan.model.errors import InvalidParameter, LinkspanError, NotFound
from linkspan.model.network import Endpoint, Network, NetworkSpec, Pool, StaticRoute
from linkspan.model.ports import PublishRequest
from linkspan.network.remote.client import Plugin
from linkspan.network.remote.discovery import Place
from linkspan.network.remote.plugins import NETWORK, Plugins
from linkspan.network.remote.port_labels import port_labels
from linkspan.network.remote.remote import Remote
from linkspan.network.undo import Undo

NET = Network("n1", "net", "demo", "", ipam_driver="demo", pools=(Pool(ip_network("10.9.0.0/24"), id="p1"),))
END = Endpoint("e1", "n1", "net", "c1", "web", "/netns/c1", ipv4=ip_interface("10.9.0.2/24"))
PORTS = port_labels((PublishRequest("tcp", 80, ip_address("127.0.0.1"), 8080, 8089),), (("udp", 53),))
KINDS = ["NetworkDriver", "IpamDriver"]


class Fake:
    """A plugin that answers what it was told to, and notes what it was asked."""

    def __init__(self, directory) -> None:
        self.answers: dict[str, object] = {
            "Plugin.Activate": {"Implements": KINDS},
            "NetworkDriver.GetCapabilities": {"Scope": "local"},
        }
        self.unknown: set[str] = set()
        self.asked: list[tuple[str, dict]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append((self.path[1:], body))
                answer = fake.answers.get(self.path[1:], {})
                text = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                status = 500 if isinstance(answer, str) else 200
                self.send_response(404 if self.path[1:] in fake.unknown else status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                return None

            def address_string(self) -> str:
                return "test"

        self.path = directory / "demo.sock"
        self.server = socketserver.ThreadingUnixStreamServer(str(self.path), Handler)
        self.thread = threading.Thread(target=lambda: self.server.serve_forever(0.01))
        self.thread.start()
        self.remote = Remote(Plugins(self.find))

    def find(self, name: str) -> Place:
        if name != "demo":
            raise NotFound("plugin not found")
        return Place(socket=str(self.path))

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def fake(tmp_path):
    made = Fake(tmp_path)
    yield made
    made.close()


def test_an_endpoint_is_made_joined_and_taken_down(fake):
    fake.answers["NetworkDriver.CreateEndpoint"] = {"Interface": {"MacAddress": "02:00:00:00:00:01"}}
    fake.answers["NetworkDriver.Join"] = {
        "InterfaceName": {"SrcName": "src0", "DstPrefix": "eth"},
        "GatewayIPv6": "fd00::1",
        "StaticRoutes": [
            {"Destination": "10.1.0.0/16", "RouteType": 0, "NextHop": "10.9.0.1"},
            {"Destination": "10.2.0.0/16", "RouteType": 1, "NextHop": ""},
        ],
    }
    taken = {"eth0"}
    with Undo() as undo:
        joined = fake.remote.attach(NET, END, taken, PORTS, undo)
    assert (joined.source_link, joined.link, joined.mac) == ("src0", "eth1", "02:00:00:00:00:01")
    assert (joined.gateway4, joined.gateway6) == (None, ip_address("fd00::1")) and taken == {"eth0", "eth1"}
    assert joined.routes == (
        StaticRoute(ip_network("10.1.0.0/16"), ip_address("10.9.0.1")),
        StaticRoute(ip_network("10.2.0.0/16")),
    )
    created = dict(fake.asked)["NetworkDriver.CreateEndpoint"]
    assert created["Options"] == dict(fake.asked)["NetworkDriver.Join"]["Options"] == PORTS
    assert created["Interface"] == {"Address": "10.9.0.2/24", "AddressIPv6": "", "MacAddress": ""}
    fake.remote.detach(NET, joined)
    assert [name for name, _ in fake.asked[-2:]] == ["NetworkDriver.Leave", "NetworkDriver.DeleteEndpoint"]


def test_a_failed_join_takes_the_endpoint_back(fake):
    fake.answers["NetworkDriver.Join"] = {"Err": "no room"}
    with pytest.raises(LinkspanError, match=r"^demo: NetworkDriver\.Join: no room$"), Undo() as undo:
        fake.remote.attach(NET, END, set(), PORTS, undo)
    assert fake.asked[-1][0] == "NetworkDriver.DeleteEndpoint"


@pytest.mark.parametrize(
    ("method", "answer", "complaint"),
    [
        ("CreateEndpoint", {"Interface": {"Address": "10.9.0.7/24"}}, "it changes Address, which was given"),
        ("CreateEndpoint", {"Interface": {"AddressIPv6": "x"}}, "answer cannot be used"),
        ("CreateEndpoint", {"Interface": []}, ""),
        ("Join", {"Gateway": "nowhere"}, "Join: the plugin's answer cannot be used"),
        ("Join", {"StaticRoutes": [{}]}, "Join: the plugin's answer cannot be used"),
        ("Join", "it broke", r"NetworkDriver\.Join: it broke"),
        ("Join", ["list"], r"NetworkDriver\.Join: \['list'\]"),
    ],
)
def test_answers_that_cannot_be_used(fake, method, answer, complaint):
    fake.answers[f"NetworkDriver.{method}"] = answer
    if not complaint:
        with Undo() as undo:
            assert fake.remote.attach(NET, END, set(), PORTS, undo).link == ""
        return
    with pytest.raises(LinkspanError, match=complaint), Undo() as undo:
        fake.remote.attach(NET, END, set(), PORTS, undo)


def test_networks_say_what_they_are(fake):
    fake.answers["NetworkDriver.GetCapabilities"] = {"Scope": "global"}
    network = Network("n2", "n", "demo", "", enable_ipv6=True, internal=True, options=(("a", "b"),))
    with Undo() as undo:
        assert fake.remote.create(network, undo).scope == "global"
    options = dict(fake.asked)["NetworkDriver.CreateNetwork"]["Options"]
    assert options["com.docker.network.generic"] == {"a": "b"}
    assert options["com.docker.network.enable_ipv4"] and options["com.docker.network.enable_ipv6"]
    assert options["com.docker.network.internal"]


@pytest.mark.parametrize(
    ("answer", "got"),
    [({}, "nothing"), ({"Scope": "moon"}, "moon"), ({"Scope": "local", "ConnectivityScope": "x"}, "x")],
)
def test_capabilities_that_are_none(fake, answer, got):
    fake.answers["NetworkDriver.GetCapabilities"] = answer
    complaint = f"^demo: invalid capability: expecting 'local' or 'global', got {got}$"
    with pytest.raises(LinkspanError, match=complaint), Undo() as undo:
        fake.remote.create(NET, undo)


def test_a_plugin_may_want_no_gateways(fake):
    spec = NetworkSpec("n", driver="demo", ipam_driver="demo", options=(("a", "b"),), enable_ipv6=True)
    assert fake.remote.families_without_gateway(spec) == frozenset()
    assert "NetworkDriver.GwAllocCheck" not in dict(fake.asked)
    fake.answers["NetworkDriver.GetCapabilities"] = {"Scope": "local", "GwAllocChecker": True}
    fake.answers["NetworkDriver.GwAllocCheck"] = {"SkipIPv4": True}
    assert fake.remote.families_without_gateway(spec) == {4}
    asked = dict(fake.asked)["NetworkDriver.GwAllocCheck"]
    assert asked["Options"]["com.docker.network.generic"] == {"a": "b"}
    fake.answers["IpamDriver.RequestPool"] = {"PoolID": "p9", "Pool": "10.8.0.0/24"}
    with Undo() as undo:
        (pool,) = fake.remote.pools(replace(spec, enable_ipv6=False), {4}, undo) or ()
    assert pool.gateway is None and "IpamDriver.RequestAddress" not in dict(fake.asked)


def test_a_plugin_is_told_when_its_endpoint_leads_out(fake):
    nothing, both, four = ("", ""), ("e1", "e1"), ("e1", "e2")
    for before, after in (
        (nothing, ("e2", "")),
        (nothing, both),
        (both, both),
        (both, four),
        (four, ("e3", "e2")),
    ):
        fake.remote.turn(NET, END, PORTS, before, after)
    ids = {"NetworkID": "n1", "EndpointID": "e1"}
    assert [(name.partition(".")[2], body) for name, body in fake.asked if "External" in name] == [
        ("ProgramExternalConnectivity", {**ids, "Options": PORTS}),
        (
            "ProgramExternalConnectivity",
            {**ids, "Options": {**PORTS, "com.docker.network.no_proxy_6to4": True}},
        ),
        ("RevokeExternalConnectivity", ids),
    ]


def test_a_plugin_need_not_know_of_ways_out(fake):
    fake.unknown = {f"NetworkDriver.{verb}ExternalConnectivity" for verb in ("Program", "Revoke")}
    fake.remote.turn(NET, END, PORTS, ("", ""), ("e1", ""))
    fake.remote.turn(NET, END, PORTS, ("e1", ""), ("", ""))
    assert {name for name, _ in fake.asked} >= fake.unknown


def test_pools_and_addresses(fake):
    fake.answers |= {
        "IpamDriver.RequestPool": {
            "PoolID": "p9",
            "Pool": "10.8.0.0/24",
            "Data": {"com.docker.network.gateway": "10.8.0.254/24"},
        },
        "IpamDriver.GetCapabilities": {"RequiresMACAddress": True},
        "IpamDriver.RequestAddress": {"Address": "10.9.0.3/24"},
    }
    with Undo() as undo:
        (pool,) = fake.remote.pools(NetworkSpec("n", ipam_driver="demo"), (), undo) or ()
        assert (str(pool.gateway), pool.id) == ("10.8.0.254", "p9")
        wanted = replace(END, mac="02:00:00:00:00:05")
        assert fake.remote.addresses(NET, wanted, undo) == {4: ip_interface("10.9.0.3/24")}
    assert fake.asked[-1][1]["Options"] == {"com.docker.network.endpoint.macaddress": "02:00:00:00:00:05"}
    fake.remote.give_back(NET, ip_address("10.9.0.3"))
    fake.remote.release_pools(NET)
    assert [name for name, _ in fake.asked[-2:]] == ["IpamDriver.ReleaseAddress", "IpamDriver.ReleasePool"]


@pytest.mark.parametrize(
    "answers",
    [
        {"RequestPool": {"PoolID": "p", "Pool": "x"}},
        {"RequestPool": {"PoolID": "p", "Pool": "10.8.0.0/24"}, "RequestAddress": {"Address": "x"}},
    ],
)
def test_a_pool_of_no_use_is_given_back(fake, answers):
    fake.answers |= {f"IpamDriver.{name}": answer for name, answer in answers.items()}
    with pytest.raises(LinkspanError), Undo() as undo:
        fake.remote.pools(NetworkSpec("n", ipam_driver="demo"), (), undo)
    assert fake.asked[-1][0] == "IpamDriver.ReleasePool"


def test_drivers_of_ours_ask_nobody(fake):
    ours = Network("n3", "n", "bridge", "")
    with Undo() as undo:
        assert fake.remote.create(ours, undo) is ours
        assert fake.remote.pools(NetworkSpec("n"), (), undo) is None
        assert fake.remote.attach(ours, END, set(), PORTS, undo) is END
        assert fake.remote.addresses(ours, END, undo) == {}
        assert fake.remote.pools(NetworkSpec("n", driver="macvlan", ipam_driver="null"), (), undo) == ()
        with pytest.raises(InvalidParameter, match="ipv4 pool is empty"):
            fake.remote.pools(NetworkSpec("n", ipam_driver="null"), (), undo)
    fake.remote.delete(ours)
    fake.remote.detach(ours, END)
    assert fake.asked == []


def test_a_plugin_must_implement_what_it_is_used_for(fake):
    fake.answers["Plugin.Activate"] = {"Implements": ["VolumeDriver"]}
    plugins = Plugins(fake.find)
    with pytest.raises(LinkspanError, match="Plugin does not implement the requested driver"):
        plugins.get("demo", NETWORK)
    with pytest.raises(InvalidParameter, match="plugin not found"), Undo() as undo:
        fake.remote.pools(NetworkSpec("n", ipam_driver="nosuch"), (), undo)


def test_a_plugin_that_is_away(tmp_path):
    for place in (Place(socket=str(tmp_path / "none.sock")), Place(host="127.0.0.1", port=1)):
        with pytest.raises(LinkspanError, match=r"plugin demo cannot be reached for Plugin\.Activate"):
            Plugin("demo", place).activate()
