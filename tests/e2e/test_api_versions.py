"""Each API version as its clients know it (docker, the SDK, raw HTTP), and HTTP's rough edges."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from typing import Any

import docker
import pytest

from linkspan.lab.lab import docker_command
from linkspan.lab.place import execute

CREATE = b"POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
MAC = "02:42:ac:11:00:77"


class Answer:
    """Status, headers and text of a raw answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask(stage: Any, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("lab", timeout=30)
    connection.sock = raw(stage)
    try:
        sent = None if body is None else json.dumps(body)
        kind = {"Content-Type": "application/json"} if sent is not None else {}
        connection.request(method, path, sent, {**kind, **headers})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def raw(stage: Any, *pieces: bytes) -> socket.socket:
    """A connection to the daemon on which `pieces` have been sent."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(stage.lab.socket))
    for piece in pieces:
        connection.sendall(piece)
    return connection


def everything(connection: socket.socket) -> bytes:
    """What the daemon sends until it closes."""
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


# --- the docker command and the SDK -------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.24", "1.30", "1.40", "1.43", "1.44", "1.47", "1.50"])
def test_the_docker_command_speaking_any_version(stage, version):
    def run(*arguments: str) -> str:
        env = {**stage.lab.client_env, "DOCKER_API_VERSION": version}
        return execute([docker_command(), *arguments], ["docker", *arguments], env=env).checked().text

    run("network", "create", "front")
    run("run", "-d", "--name", "c1", "--network", "front", "-p", "8080:80", "busybox", "sleep", "1000")
    assert run("ps", "--format", "{{.Names}} {{.Ports}}") == "c1 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"
    assert run("exec", "c1", "hostname") == run("ps", "-q")
    run("info")
    run("network", "connect", "bridge", "c1")
    run("stop", "-t", "0", "c1")
    assert run("wait", "c1") == "137"
    run("rm", "c1")


@pytest.mark.parametrize("version", ["1.24", "1.35", "1.41", "1.44", "1.47", "1.52", "1.56", "auto"])
def test_the_sdk_speaking_any_version(stage, sdk_streams, version):
    client = docker.DockerClient(base_url=stage.lab.docker_host, version=version)
    try:
        network = client.networks.create("front")
        container = client.containers.run("busybox", "sleep 1000", detach=True, network="front", name="c1")
        container.reload()
        assert container.attrs["NetworkSettings"]["Networks"]["front"]["NetworkID"] == network.id
        assert [one.name for one in client.containers.list()] == ["c1"]
        assert client.info()["ContainersRunning"] == 1
        if version != "1.24":
            assert len(client.df()["Containers"]) == 1
        assert container.exec_run("hostname").output.decode().strip() == container.short_id
        events = client.events(decode=True, since=0, filters={"container": container.id})
        assert next(iter(events))["Actor"]["ID"] == container.id
        events.close()
        container.remove(force=True)
    finally:
        client.close()


# --- what differs between versions --------------------------------------------------------------------------


def create(stage: Any, version: str, **body: Any) -> Any:
    document = {"Image": "busybox", "Cmd": ["sleep", "1000"], **body}
    answer = ask(stage, "POST", f"/v{version}/containers/create?name=c1", document)
    assert answer.status == 201, answer.text
    return answer.json


def inspect(stage: Any, version: str) -> Any:
    return ask(stage, "GET", f"/v{version}/containers/c1/json").json


def test_aliases_have_the_short_id_before_1_45(stage):
    stage.docker("network", "create", "front")
    endpoint = {"front": {"Aliases": ["db"]}}
    created = create(
        stage,
        "1.51",
        HostConfig={"NetworkMode": "front"},
        NetworkingConfig={"EndpointsConfig": endpoint},
        Hostname="box",
    )
    ask(stage, "POST", "/containers/c1/start")
    old = inspect(stage, "1.44")["NetworkSettings"]["Networks"]["front"]
    new = inspect(stage, "1.45")["NetworkSettings"]["Networks"]["front"]
    assert old["Aliases"] == ["db", created["Id"][:12], "box"]
    assert new["Aliases"] == ["db"]
    assert set(new["DNSNames"]) == {"c1", "db", created["Id"][:12], "box"}


def test_the_mac_address_of_a_container_moves_to_its_endpoint(stage):
    assert create(stage, "1.43", MacAddress=MAC)["Warnings"] == []
    ask(stage, "POST", "/containers/c1/start")
    assert stage.inside("c1", "cat", "/sys/class/net/eth0/address").text == MAC
    stage.clear()
    warnings = create(stage, "1.51", MacAddress=MAC)["Warnings"]
    assert warnings == [
        "The container-wide MacAddress field is now deprecated. "
        "It should be specified in EndpointsConfig instead."
    ]


def test_sysctls_of_eth0_follow_the_interface(stage):
    key = "net.ipv4.conf.eth0.log_martians"
    warnings = create(stage, "1.45", HostConfig={"Sysctls": {key: "1"}})["Warnings"]
    assert warnings[0].startswith(f'Migrated sysctl "{key}" to DriverOpts')
    assert ask(stage, "POST", "/containers/c1/start").status == 204
    assert stage.inside("c1", "cat", "/proc/sys/net/ipv4/conf/eth0/log_martians").text == "1"
    body = {"Image": "busybox", "HostConfig": {"Sysctls": {key: "1"}}}
    answer = ask(stage, "POST", "/v1.48/containers/create", body)
    assert "must be supplied using driver option" in answer.json["message"]


def test_inspection_has_no_top_level_addresses_since_1_52(stage):
    stage.sleeper("c1")
    legacy = inspect(stage, "1.51")["NetworkSettings"]
    assert legacy["IPAddress"] == legacy["Networks"]["bridge"]["IPAddress"] != ""
    assert set(inspect(stage, "1.52")["NetworkSettings"]) == {"SandboxID", "SandboxKey", "Ports", "Networks"}


def test_networks_tell_how_full_they_are_since_1_52(stage):
    stage.docker("network", "create", "--subnet", "10.5.0.0/29", "--aux-address", "x=10.5.0.5", "front")
    stage.sleeper("c1", "--network", "front")
    assert "Status" not in ask(stage, "GET", "/v1.51/networks/front").json
    status = ask(stage, "GET", "/v1.52/networks/front").json["Status"]
    assert status == {"IPAM": {"Subnets": {"10.5.0.0/29": {"IPsInUse": 5, "DynamicIPsAvailable": 3}}}}
    stage.docker("network", "create", "--ipv6", "--subnet", "fd00:5::/64", "six")
    subnets = ask(stage, "GET", "/v1.52/networks/six").json["Status"]["IPAM"]["Subnets"]
    assert subnets["fd00:5::/64"] == {"IPsInUse": 2, "DynamicIPsAvailable": 2**64 - 2}
    assert ask(stage, "GET", "/v1.52/networks/host").json["Status"] == {"IPAM": {}}


def test_connect_takes_a_mac_address_since_1_54(stage):
    stage.docker("network", "create", "front")
    stage.sleeper("c1")
    body = {"Container": "c1", "EndpointConfig": {"MacAddress": MAC}}
    for version, kept in (("1.53", False), ("1.54", True)):
        assert ask(stage, "POST", f"/v{version}/networks/front/connect", body).status == 200
        assert (stage.inspect("c1")["NetworkSettings"]["Networks"]["front"]["MacAddress"] == MAC) is kept
        stage.docker("network", "disconnect", "front", "c1")


def test_a_umask_since_1_56(stage):
    for version, mask in (("1.55", "0022"), ("1.56", "0077")):
        name = f"c{version}"
        body = {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"Umask": 0o77}}
        assert ask(stage, "POST", f"/v{version}/containers/create?name={name}", body).status == 201
        stage.docker("start", name)
        assert stage.inside(name, "sh", "-c", "umask").text == mask
        assert stage.inside(name, "sh", "-c", "grep Umask /proc/1/status").text == f"Umask:\t{mask}"
        assert stage.inspect(name)["HostConfig"].get("Umask") == (0o77 if version == "1.56" else None)
    assert ask(stage, "GET", "/v1.56/images/busybox/attestations").json == []


def test_networks_without_ipv4_since_1_48(stage):
    body = {"Name": "six", "EnableIPv4": False, "EnableIPv6": True}
    assert ask(stage, "POST", "/v1.48/networks/create", body).status == 201
    assert ask(stage, "GET", "/v1.48/networks/six").json["EnableIPv4"] is False
    stage.docker("network", "rm", "six")
    assert ask(stage, "POST", "/v1.47/networks/create", body).status == 201
    answer = ask(stage, "GET", "/v1.47/networks/six").json
    assert "EnableIPv4" not in answer
    assert len(answer["IPAM"]["Config"]) == 2


def test_info_by_version(shared_stage):
    def info(version: str) -> Any:
        return ask(shared_stage, "GET", f"/v{version}/info").json

    assert "FirewallBackend" not in info("1.48")
    assert info("1.49")["FirewallBackend"]["Driver"] in ("iptables", "nftables")
    assert "BridgeNfIptables" in info("1.49")
    assert "BridgeNfIptables" not in info("1.50")
    assert info("1.48")["RuncCommit"]["Expected"] == info("1.48")["RuncCommit"]["ID"] != ""
    assert "Expected" not in info("1.49")["RuncCommit"]
    assert info("1.56")["DefaultAddressPools"] == []


def test_docker_info_has_no_empty_lines_of_ours(shared_stage):
    lines = shared_stage.docker("info").out.splitlines()
    assert [line for line in lines if line.endswith(": ")] == []
    assert " Default Address Pools:" not in lines


def test_pools_that_were_configured_are_shown(stage_with):
    stage = stage_with("--default-address-pool", "base=10.200.0.0/16,size=24")
    assert "   Base: 10.200.0.0/16, Size: 24" in stage.docker("info").out.splitlines()


def test_the_listing_by_version(stage):
    create(stage, "1.51", HostConfig={"Annotations": {"a": "b"}})

    def row(version: str, filters: str = "") -> Any:
        return ask(stage, "GET", f"/v{version}/containers/json?all=1{filters}").json

    assert "Annotations" not in row("1.45")[0]["HostConfig"]
    assert row("1.46")[0]["HostConfig"]["Annotations"] == {"a": "b"}
    assert "Health" not in row("1.51")[0]
    assert row("1.52")[0]["Health"] == {"Status": "none", "FailingStreak": 0}
    assert len(row("1.56", '&filters={"annotation":["a=b"]}')) == 1
    assert row("1.56", '&filters={"annotation":["a=c"]}') == []
    assert row("1.55", '&filters={"annotation":["a"]}')["message"] == "invalid filter 'annotation'"


def test_disk_usage_by_version(stage):
    stage.sleeper("c1")

    def fields(path: str) -> set[str]:
        return set(ask(stage, "GET", path).json)

    legacy = {"LayersSize", "Images", "Containers", "Volumes", "BuildCache"}
    modern = {"ImageUsage", "ContainerUsage", "VolumeUsage", "BuildCacheUsage"}
    assert fields("/v1.41/system/df") == {*legacy, "BuilderSize"}
    assert fields("/v1.51/system/df") == legacy
    assert fields("/v1.52/system/df") == legacy | modern
    assert fields("/v1.52/system/df?verbose=1") == modern
    assert fields("/v1.52/system/df?verbose=1&type=volume") == {"VolumeUsage"}
    usage = ask(stage, "GET", "/v1.52/system/df?verbose=1").json["ContainerUsage"]
    assert (usage["ActiveCount"], usage["TotalCount"], len(usage["Items"])) == (1, 1, 1)
    answer = ask(stage, "GET", "/v1.52/system/df?type=x")
    assert (answer.status, answer.json["message"]) == (400, "unknown object type: x")


def test_events_by_version_and_accepted_type(stage):
    id = stage.sleeper("c1")
    filters = f"%7B%22container%22:%5B%22{id}%22%5D,%22event%22:%5B%22start%22%5D%7D"

    def events(version: str, accept: str) -> tuple[str, str]:
        path = f"/v{version}/events?since=0&until={int(time.time())}.999999999&filters={filters}"
        answer = ask(stage, "GET", path, Accept=accept)
        return answer.headers["Content-Type"], answer.text

    kind, text = events("1.51", "*/*")
    old = json.loads(text)
    assert (kind, old["status"], old["from"]) == ("application/json", "start", "busybox")
    kind, text = events("1.52", "application/jsonl")
    assert kind == "application/jsonl"
    assert not {"status", "id", "from"} & set(json.loads(text))
    kind, text = events("1.56", "application/json-seq")
    assert kind == "application/json-seq"
    assert text.startswith("\x1e{")


def test_prunes_as_a_stream_since_1_56(stage):
    create(stage, "1.56")
    answer = ask(stage, "POST", "/v1.56/containers/prune?stream=true")
    assert answer.headers["Content-Type"] == "application/jsonl"
    first, last = (json.loads(line) for line in answer.text.splitlines())
    assert last["aux"]["ContainersDeleted"] == [first["id"]]
    assert ask(stage, "POST", "/v1.55/containers/prune?stream=true").json["ContainersDeleted"] is None


# --- HTTP's rough edges -------------------------------------------------------------------------------------


def test_every_answer_says_what_is_spoken(shared_stage):
    for path in ("/_ping", "/v1.24/version", "/nowhere", "/v1.24/containers/nobody/json"):
        headers = ask(shared_stage, "GET", path).headers
        assert (headers["Api-Version"], headers["Ostype"], headers["Docker-Experimental"]) == (
            "1.56",
            "linux",
            "false",
        )
    ping = ask(shared_stage, "HEAD", "/_ping")
    assert (ping.status, ping.text, ping.headers["Content-Length"]) == (200, "", "0")
    assert (ping.headers["Builder-Version"], ping.headers["Swarm"]) == ("1", "inactive")
    assert "no-cache" in ping.headers["Cache-Control"]
    assert ask(shared_stage, "GET", "/_ping").text == "OK"
    assert ask(shared_stage, "HEAD", "/version").status == 404
    options = ask(shared_stage, "OPTIONS", "/containers/json", Origin="http://evil")
    assert options.status == 200
    assert not [name for name in options.headers if name.lower().startswith("access-control")]


def test_several_slashes_are_one(shared_stage):
    answer = ask(shared_stage, "GET", "//v1.51//containers/json?all=1")
    assert (answer.status, answer.headers["Location"]) == (301, "/v1.51/containers/json?all=1")
    assert ask(shared_stage, "POST", "//containers/prune").status == 308


def test_bodies_in_every_way_that_http_has(stage):
    head = CREATE + b"Connection: close\r\n"
    chunked = head + b'Transfer-Encoding: chunked\r\n\r\n7\r\n{"Name"\r\n6\r\n: "a"}\r\n0\r\n\r\n'
    assert everything(raw(stage, chunked)).startswith(b"HTTP/1.1 201 ")
    waiting = raw(stage, head + b"Expect: 100-continue\r\nContent-Length: 13\r\n\r\n")
    assert waiting.recv(100).startswith(b"HTTP/1.1 100 ")
    waiting.sendall(b'{"Name": "b"}')
    assert everything(waiting).startswith(b"HTTP/1.1 201 ")
    assert everything(raw(stage, head + b"Expect: else\r\nContent-Length: 0\r\n\r\n"))[9:12] == b"417"
    empty = head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert b"got EOF while reading request body" in everything(raw(stage, empty))
    large = head + b"Content-Length: 20000000\r\n\r\n"
    connection = raw(stage, large)
    sender = threading.Thread(target=_send_quietly, args=(connection, b"a" * 20_000_000))
    sender.start()
    assert everything(connection).startswith(b"HTTP/1.1 413 ")
    sender.join()


def _send_quietly(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except OSError:
        return


def test_requests_one_after_the_other_without_waiting(shared_stage):
    request = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    text = everything(raw(shared_stage, request * 20 + last))
    assert text.count(b"HTTP/1.1 200 OK") == 20
    assert text.endswith(b'{"message":"page not found"}\n')


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 2_000_000 + b"\r\n\r\n",
    ],
    ids=["TLS", "no host", "HTTP/2", "negative length", "two lengths", "endless header"],
)
def test_what_is_no_http_request_is_refused(shared_stage, request_):
    connection = raw(shared_stage)
    _send_quietly(connection, request_)
    with connection:
        assert b" 400 " in connection.recv(1000)
    assert "Traceback" not in shared_stage.lab.daemon_log()
    assert ask(shared_stage, "GET", "/_ping").status == 200


def test_long_filters_and_credentials_are_taken(shared_stage):
    filters = json.dumps({"id": [f"{number:064x}" for number in range(500)]}).replace('"', "%22")
    path = f"/containers/json?filters={filters}".replace(" ", "").replace("{", "%7B").replace("}", "%7D")
    assert ask(shared_stage, "GET", path, **{"X-Registry-Auth": "a" * 100_000}).status == 200


def test_slow_and_dead_clients_hold_up_nobody(stage):
    before = stage.snapshot()
    half = CREATE + b"Content-Length: 99\r\n\r\n{"
    idle = [raw(stage, half) for _ in range(100)] + [raw(stage, b"GET /_pi") for _ in range(100)]
    idle += [raw(stage, b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(50)]
    began = time.monotonic()
    stage.sleeper("c1")
    stage.docker("rm", "-f", "c1")
    assert time.monotonic() - began < 5
    for connection in idle:
        connection.close()
    stage.unchanged_since(before)
