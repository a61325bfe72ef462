"""The error texts that scripts and client suites match, each with its status, asked for by raw HTTP."""

from __future__ import annotations

import http.client
import json
import re
import socket
from dataclasses import dataclass
from typing import Any

import pytest

DRIVER = "com.docker.network.bridge."
ENDPOINT = (
    "failed to set up container networking: driver failed programming external connectivity on endpoint "
)


class Api:
    """Raw requests to a lab's daemon."""

    def __init__(self, lab: Any) -> None:
        self._socket = str(lab.socket)

    def __call__(
        self, method: str, path: str, body: Any = None, version: str = "v1.51", **headers: str
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("lab", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self._socket)
        try:
            sent = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
            kind = {"Content-Type": "application/json"} if sent is not None else {}
            connection.request(method, f"/{version}{path}" if version else path, sent, {**kind, **headers})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()


@dataclass(frozen=True)
class Case:
    """One request, its status, and a pattern of the whole message; `start`: create it, then start it."""

    what: str
    path: str
    status: int
    message: str
    body: Any = None
    method: str = "POST"
    version: str = "v1.51"
    start: bool = False


def create(what: str, status: int, message: str, version: str = "v1.51", **body: Any) -> Case:
    return Case(
        what, "/containers/create?name=bad", status, message, {"Image": "busybox", **body}, version=version
    )


def start(what: str, status: int, message: str, **body: Any) -> Case:
    document = {"Image": "busybox", "Cmd": ["sleep", "9"], **body}
    return Case(what, "/containers/create?name=bad", status, message, document, start=True)


def network(what: str, status: int, message: str, **body: Any) -> Case:
    return Case(what, "/networks/create", status, message, {"Name": "bad", **body})


def pool(**config: Any) -> dict[str, Any]:
    return {"Config": [config]}


def publish(port: str, address: str = "") -> dict[str, Any]:
    return {"PortBindings": {"80/tcp": [{"HostIp": address, "HostPort": port}]}}


def at(name: str, **settings: Any) -> dict[str, Any]:
    return {
        "HostConfig": {"NetworkMode": name},
        "NetworkingConfig": {"EndpointsConfig": {name: settings}},
    }


def static(address: str) -> dict[str, Any]:
    return {"IPAMConfig": {"IPv4Address": address}}


NOWHERE = "network nowhere not found"
SHARING = (
    "container sharing network namespace with another container or host "
    "cannot be connected to any other network"
)
SETTINGS = "invalid config for network [a-z]+: invalid endpoint settings:\n"
CONFIG = "invalid network config:\n"

# fmt: off
CASES = [
    # --- names that lead nowhere
    Case("unknown network", "/networks/nowhere", 404, NOWHERE, method="GET"),
    Case("unknown network, removed", "/networks/nowhere", 404, NOWHERE, method="DELETE"),
    Case("unknown network, connected", "/networks/nowhere/connect", 404, NOWHERE, {"Container": "free"}),
    start("unknown network, run", 404, f".*{NOWHERE}", HostConfig={"NetworkMode": "nowhere"}),
    Case("unknown container", "/containers/nobody/json", 404, "No such container: nobody", method="GET"),
    Case("unknown container, started", "/containers/nobody/start", 404, "No such container: nobody"),
    Case("unknown container, connected", "/networks/front/connect", 404, "No such container: nobody",
         {"Container": "nobody"}),
    Case("no container named", "/networks/front/connect", 400, 'invalid name or ID supplied: ""', {}),
    Case("unknown image", "/images/nothing/json", 404, "No such image: nothing(:latest)?", method="GET"),
    Case("unknown image, run", "/containers/create", 404, "No such image: nothing:latest",
         {"Image": "nothing"}),
    Case("unknown exec", "/exec/nobody/start", 404, "No such exec instance: nobody", {}),
    Case("unknown volume", "/volumes/none", 404, "get none: no such volume", method="GET"),
    # --- names that are taken
    network("network name taken", 409, "network with name front already exists", Name="front"),
    Case("container name taken", "/containers/create?name=taken", 409,
         r'Conflict\. The container name "/taken" is already in use by container "[0-9a-f]{64}"\. '
         r"You have to remove \(or rename\) that container to be able to reuse that name\.",
         {"Image": "busybox"}),
    Case("renamed to a taken name", "/containers/free/rename?name=taken", 409,
         r'.*Conflict\. The container name "/taken" is already in use by container "[0-9a-f]{64}"\..*'),
    # --- states
    Case("network in use", "/networks/front", 403,
         "error while removing network: network front has active endpoints "
         r'\(name:"taken" id:"[0-9a-f]{12}"\)',
         method="DELETE"),
    Case("predefined network removed", "/networks/bridge", 403,
         "bridge is a pre-defined network and cannot be removed", method="DELETE"),
    network("predefined network created", 403, "operation is not permitted on predefined host network",
            Name="host"),
    Case("exec in what is not running", "/containers/down/exec", 409,
         "[Cc]ontainer [0-9a-f]{64} is not running", {"Cmd": ["true"]}),
    Case("kill of what is not running", "/containers/down/kill", 409,
         ".*[Cc]ontainer [0-9a-f]{64} is not running"),
    Case("removal of what is running", "/containers/free", 409,
         'cannot remove container "/?free": container is running: '
         "stop the container before removing or force remove", method="DELETE"),
    start("namespace of what is not running", 409,
          "cannot join network namespace of a non running container: container down is created",
          HostConfig={"NetworkMode": "container:down"}),
    # --- ports
    start("port of another container", 500,
          rf"{ENDPOINT}bad \([0-9a-f]{{64}}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated.*",
          HostConfig=publish("8080"), ExposedPorts={"80/tcp": {}}),
    start("port of another program", 500,
          rf"{ENDPOINT}bad \([0-9a-f]{{64}}\): "
          r".*failed to bind host port 0\.0\.0\.0:8181/tcp: address already in use.*",
          HostConfig=publish("8181"), ExposedPorts={"80/tcp": {}}),
    # --- addresses
    network("pool overlap", 403, "invalid pool request: Pool overlaps with other one on this address space.*",
            IPAM=pool(Subnet="10.5.0.128/25")),
    start("static address taken", 403, ".*Address already in use.*", **at("front", **static("10.5.0.2"))),
    start("static address of the gateway", 403, ".*Address already in use.*",
          **at("front", **static("10.5.0.1"))),
    start("subnet full", 503, ".*no available addresses on this pool.*", **at("tiny")),
    network("subnet that is none", 400, f"{CONFIG}invalid subnet nonsense: invalid CIDR block notation",
            IPAM=pool(Subnet="nonsense")),
    network("subnet with host bits", 400, f"{CONFIG}invalid subnet 10.7.0.1/24: it should be 10.7.0.0/24",
            IPAM=pool(Subnet="10.7.0.1/24")),
    network("ip-range elsewhere", 400,
            f"{CONFIG}invalid ip-range 10.8.0.0/25: parent subnet 10.7.0.0/24 doesn't contain ip-range",
            IPAM=pool(Subnet="10.7.0.0/24", IPRange="10.8.0.0/25")),
    network("ip-range too big", 400,
            f"{CONFIG}invalid ip-range 10.7.0.0/16: CIDR block is bigger than its parent subnet 10.7.0.0/24",
            IPAM=pool(Subnet="10.7.0.0/24", IPRange="10.7.0.0/16")),
    network("gateway elsewhere", 400,
            f"{CONFIG}invalid gateway 10.8.0.1: parent subnet 10.7.0.0/24 doesn't contain this address",
            IPAM=pool(Subnet="10.7.0.0/24", Gateway="10.8.0.1")),
    network("auxiliary address elsewhere", 400,
            f"{CONFIG}invalid auxiliary address x: parent subnet 10.7.0.0/24 doesn't contain this address",
            IPAM=pool(Subnet="10.7.0.0/24", AuxiliaryAddresses={"x": "10.8.0.1"})),
    network("all that is wrong at once", 400,
            f"{CONFIG}invalid ip-range .*\ninvalid gateway .*",
            IPAM=pool(Subnet="10.7.0.0/24", IPRange="10.8.0.0/25", Gateway="10.8.0.1")),
    # --- endpoints
    create("address on the default bridge", 400,
           f"{SETTINGS}user-specified IP address is supported on user-defined networks only",
           **at("bridge", **static("172.17.0.9"))),
    create("alias on the default bridge", 400,
           f"{SETTINGS}network-scoped aliases are only supported for user-defined networks",
           **at("bridge", Aliases=["x"])),
    create("both at once", 400,
           f"{SETTINGS}user-specified IP address .*\nnetwork-scoped aliases .*",
           **at("bridge", Aliases=["x"], **static("172.17.0.9"))),
    create("address outside of the subnets", 400,
           f"{SETTINGS}no configured subnet contains IP address 10.9.0.9",
           **at("front", **static("10.9.0.9"))),
    create("address in a chosen subnet", 400,
           f"{SETTINGS}user specified IP address is supported only when connecting to networks "
           "with user configured subnets", **at("auto", **static("172.30.0.9"))),
    create("address that is none", 400, "invalid endpoint settings:\ninvalid IPv4 address: x",
           **at("front", **static("x"))),
    create("endpoints for an old client", 400,
           "Container cannot be created with multiple network endpoints: front, auto", "v1.43",
           NetworkingConfig={"EndpointsConfig": {"front": {}, "auto": {}}}),
    Case("duplicate endpoint", "/networks/front/connect", 403,
         "endpoint with name taken already exists in network front", {"Container": "taken"}),
    Case("not connected", "/networks/auto/disconnect", 403,
         "container [0-9a-f]{64} is not connected to network auto", {"Container": "taken"}),
    # --- modes
    Case("connecting one on the host's network", "/networks/front/connect", 403, SHARING,
         {"Container": "hosted"}),
    Case("connecting one that shares", "/networks/front/connect", 403, SHARING, {"Container": "sharer"}),
    Case("connecting to the host's network", "/networks/host/connect", 403,
         "cannot connect container to host network - container must be created in host network mode",
         {"Container": "free"}),
    Case("connecting one without network", "/networks/front/connect", 403,
         "container cannot be connected to multiple networks with one of the networks in private "
         r"\(none\) mode", {"Container": "lonely"}),
    Case("disconnecting from the host's network", "/networks/host/disconnect", 403,
         "container cannot be disconnected from host network - container was created in host network mode",
         {"Container": "hosted"}),
    # --- drivers
    network("overlay without a swarm", 403,
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
            r"to connect this node to swarm and try again\.", Driver="overlay"),
    network("unknown driver", 404, "could not find plugin nodriver in v1 plugin registry: plugin not found",
            Driver="nodriver"),
    network("bridge of another network", 403,
            r"cannot create network [0-9a-f]{64} \(br-front\): conflicts with network [0-9a-f]{64} "
            r"\(br-front\): networks have same bridge name", Options={f"{DRIVER}name": "br-front"}),
    network("gateway mode", 400, "gateway mode 'isolated' can only be used for an internal network",
            Options={f"{DRIVER}gateway_mode_ipv4": "isolated"}),
    network("second host network", 403, 'only one instance of "host" network is allowed', Driver="host"),
    network("no name", 400, ".*name is empty.*", Name=""),
    # --- what is no request
    Case("no JSON", "/networks/create", 400,
         "invalid JSON: invalid character 'i' looking for beginning of object key string", "{invalid json"),
    Case("half a JSON", "/networks/create", 400, "invalid JSON: unexpected EOF", '{"Name":'),
    Case("two JSONs", "/networks/create", 400, "unexpected content after JSON", "{} trailing content"),
    Case("no body", "/containers/create", 400, "invalid JSON: got EOF while reading request body", ""),
    network("a number for a name", 400,
            r"invalid JSON: json: cannot unmarshal number into Go struct field CreateRequest\.Name "
            "of type string", Name=7),
    Case("a body for a start", "/containers/free/start", 400,
         "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
         {"HostConfig": {}}),
    Case("unknown filter", '/networks?filters={"x":["y"]}', 400, "invalid filter 'x'", method="GET"),
    Case("filters that are none", "/networks?filters=x", 400, "invalid filter.*", method="GET"),
    Case("half a truth", '/volumes?filters={"dangling":["x"]}', 400, r"invalid filter 'dangling=\[x\]'",
         method="GET"),
    Case("two truths", '/containers/json?filters={"is-task":["true","false"]}', 400,
         r"invalid filter 'is-task=\[true false\]'", method="GET"),
    Case("dangling networks", '/networks?filters={"dangling":["x"]}', 400,
         """invalid value for filter 'dangling', must be "true" .or "1"., or "false" .or "0".""",
         method="GET"),
    Case("a port that cannot be", '/containers/json?filters={"expose":["99999"]}', 400,
         "invalid filter 'expose=99999'", method="GET"),
    Case("a flag that is none", "/networks/bridge?verbose=x", 400,
         'invalid value for verbose: x: strconv.ParseBool: parsing "x": invalid syntax', method="GET"),
    Case("an end before the beginning", "/events?since=5&until=1", 400,
         "`since` time .5. cannot be after `until` time .1.", method="GET"),
    Case("a network with a slash", "/networks/a/b", 404, "network a/b not found", method="GET"),
    Case("a volume with a slash", "/volumes/a/b", 404, "get a/b: no such volume", method="GET"),
    create("unknown capability", 400, 'invalid CapAdd: unknown capability: "CAP_X"',
           HostConfig={"CapAdd": ["X"]}),
    Case("statements beside no image", "/images/nothing/attestations", 404, "No such image: nothing.*",
         method="GET", version="v1.55"),
    Case("a plugin that is none", "/plugins/x/enable", 404, 'plugin "x" not found'),
    Case("removing a plugin that is none", "/plugins/x", 404, 'plugin "x" not found', method="DELETE"),
    Case("installing a plugin", "/plugins/pull?remote=x", 501, "Linkspan manages no plugins.*", []),
    Case("unknown page", "/nowhere", 404, "page not found", method="GET"),
    Case("another method", "/networks/create", 404, "page not found", method="PUT"),
    Case("too old", "/version", 400,
         r"client version 1\.23 is too old\. Minimum supported API version is 1\.24, "
         "please upgrade your client to a newer version", method="GET", version="v1.23"),
    Case("too new", "/version", 400,
         r"client version 1\.99 is too new\. Maximum supported API version is 1\.56",
         method="GET", version="v1.99"),
    # --- what there is no swarm for
    Case("services", "/services", 503, "This node is not a swarm manager.*", method="GET"),
    Case("swarm", "/swarm", 503, "This node is not a swarm manager.*", method="GET"),
    Case("leaving no swarm", "/swarm/leave", 503, "This node is not part of a swarm"),
]
# fmt: on


@pytest.fixture(scope="module")
def world(shared_stage):
    """Networks front, auto and tiny (full); containers up and down, and on every kind of network."""
    stage = shared_stage
    stage.docker("network", "create", "--subnet", "10.5.0.0/24", "-o", f"{DRIVER}name=br-front", "front")
    stage.docker("network", "create", "auto")
    stage.docker("network", "create", "--subnet", "10.6.0.0/30", "tiny")
    stage.sleeper("taken", "--network", "front")
    stage.sleeper("free", "-p", "8080:80")
    stage.sleeper("full", "--network", "tiny")
    stage.sleeper("hosted", "--network", "host")
    stage.sleeper("sharer", "--network", "container:free")
    stage.sleeper("lonely", "--network", "none")
    stage.docker("create", "--name", "down", "busybox", "true")
    stage.lab.serve_http("host", 8181, "mine", "0.0.0.0")
    stage.until(lambda: stage.get("host", "http://127.0.0.1:8181/") != "")
    yield stage
    stage.host("pkill", "-f", "httpd -f -p 0.0.0.0:8181")
    stage.clear()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_status_and_text(world, case):
    api = Api(world.lab)
    before = world.snapshot()
    path = case.path.replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
    status, document = api(case.method, path, case.body, case.version)
    if case.start and status == 201:
        status, document = api("POST", "/containers/bad/start")
    api("DELETE", "/containers/bad?force=1")
    assert re.fullmatch(case.message, document["message"], re.DOTALL), document["message"]
    assert status == case.status
    world.unchanged_since(before)


def test_ambiguous_prefixes(stage):
    """Among more networks than hexadecimal digits, two begin alike."""
    for number in range(14):
        stage.docker("network", "create", f"n{number}")
    ids = stage.docker("network", "ls", "-q").lines
    first = next(digit for digit in "0123456789abcdef" if sum(id.startswith(digit) for id in ids) > 1)
    count = sum(id.startswith(first) for id in ids)
    message = f"network {first} is ambiguous ({count} matches found based on ID prefix)"
    api = Api(stage.lab)
    assert api("GET", f"/networks/{first}") == (400, {"message": message})
    assert api("DELETE", f"/networks/{first}") == (400, {"message": message})


def test_what_runs_out(lab):
    """No more subnets in the pools, no more ports in the kernel's range."""
    lab.run("host", "sysctl", "-qw", "net.ipv4.ip_local_port_range=50000 50001")
    lab.daemon("--default-address-pool", "base=10.200.0.0/23,size=24")
    api = Api(lab)
    status, document = api("POST", "/networks/create", {"Name": "b"})
    assert status == 201
    status, document = api("POST", "/networks/create", {"Name": "c"})
    assert status == 400
    assert document["message"].startswith("all predefined address pools have been fully subnetted")
    for number in range(3):
        body = {
            "Image": "busybox",
            "Cmd": ["sleep", "9"],
            "ExposedPorts": {"80/tcp": {}},
            "HostConfig": publish(""),
        }
        assert api("POST", f"/containers/create?name=c{number}", body)[0] == 201
        status, document = api("POST", f"/containers/c{number}/start")
    assert status == 500
    assert "all ports are allocated" in document["message"]
