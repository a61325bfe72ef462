"""Wrong requests: Docker's text and exit code, and a host that is exactly as it was before."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time

import pytest

from linkspan.api import versions
from linkspan.lab.lab import installed

RUN = ("run", "-d", "--name", "bad")
SLEEP = ("busybox", "sleep", "1")
DRIVER = "com.docker.network.bridge."

#: arguments of docker -> (exit code, a piece of what it must say)
REFUSED = {
    (*RUN, "--network", "nowhere", *SLEEP): (125, "network nowhere not found"),
    (*RUN, "--ip", "172.17.0.9", *SLEEP): (
        125,
        "user-specified IP address is supported on user-defined networks only",
    ),
    (*RUN, "--network-alias", "x", *SLEEP): (
        125,
        "network-scoped aliases are only supported for user-defined networks",
    ),
    (*RUN, "--network", "front", "--ip", "10.6.0.9", *SLEEP): (
        125,
        "no configured subnet contains IP address 10.6.0.9",
    ),
    (*RUN, "--network", "front", "--ip", "10.5.0.1", *SLEEP): (125, "Address already in use"),
    (*RUN, "--network", "auto", "--ip", "172.30.0.9", *SLEEP): (125, ""),
    (*RUN, "-p", "8080:99999", *SLEEP): (125, "99999"),
    (*RUN, "-p", "10.99.99.99:8080:80", *SLEEP): (125, "cannot assign requested address"),
    (*RUN, "-p", "8000-8010:80-81", *SLEEP): (125, "invalid ranges specified for container and host Ports"),
    (*RUN, "--mac-address", "nonsense", *SLEEP): (125, "nonsense is not a valid mac address"),
    (*RUN, "--network", "front", "--network", "host", *SLEEP): (125, ""),
    ("run", "-d", "--name", "taken", *SLEEP): (
        125,
        'Conflict. The container name "/taken" is already in use by container',
    ),
    ("run", "-d", "--name", "?", *SLEEP): (
        125,
        "Invalid container name (?), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
    ),
    ("start", "nobody"): (1, "No such container: nobody"),
    ("stop", "nobody"): (1, "No such container: nobody"),
    ("rm", "nobody"): (1, "No such container: nobody"),
    ("logs", "nobody"): (1, "No such container: nobody"),
    ("exec", "nobody", "true"): (1, "No such container: nobody"),
    ("rmi", "nothing"): (1, "No such image: nothing:latest"),
    ("tag", "nothing", "x"): (1, "No such image: nothing:latest"),
    ("network", "rm", "nowhere"): (1, "network nowhere not found"),
    ("network", "inspect", "nowhere"): (1, "network nowhere not found"),
    ("network", "connect", "nowhere", "taken"): (1, "network nowhere not found"),
    ("network", "connect", "front", "nobody"): (1, "No such container: nobody"),
    ("network", "connect", "front", "taken"): (1, "endpoint with name taken already exists in network front"),
    ("network", "disconnect", "auto", "taken"): (1, "is not connected to network"),
    ("network", "connect", "--ip", "10.5.0.1", "front", "free"): (1, "Address already in use"),
    ("network", "create", "front"): (1, "network with name front already exists"),
    ("network", "create", "host"): (1, "operation is not permitted on predefined host network"),
    ("network", "create", "--subnet", "10.5.0.128/25", "n"): (
        1,
        "invalid pool request: Pool overlaps with other one on this address space",
    ),
    ("network", "create", "--subnet", "10.7.0.1/24", "n"): (
        1,
        "invalid subnet 10.7.0.1/24: it should be 10.7.0.0/24",
    ),
    ("network", "create", "--subnet", "nonsense", "n"): (1, "nonsense"),
    ("network", "create", "--subnet", "10.7.0.0/24", "--gateway", "10.8.0.1", "n"): (1, "10.8.0.1"),
    ("network", "create", "--subnet", "10.7.0.0/24", "--ip-range", "10.8.0.0/25", "n"): (1, "10.8.0.0/25"),
    ("network", "create", "-d", "nodriver", "n"): (
        1,
        "could not find plugin nodriver in v1 plugin registry: plugin not found",
    ),
    ("network", "create", "-d", "host", "n"): (1, 'only one instance of "host" network is allowed'),
    ("network", "create", "-o", f"{DRIVER}name=a-name-that-is-too-long", "n"): (1, ""),
    ("network", "create", "-o", f"{DRIVER}name=br-front", "n"): (1, "networks have same bridge name"),
    ("network", "create", "-o", "com.docker.network.driver.mtu=tiny", "n"): (1, "tiny"),
    ("network", "create", "-o", f"{DRIVER}gateway_mode_ipv4=isolated", "n"): (
        1,
        "gateway mode 'isolated' can only be used for an internal network",
    ),
}


@pytest.fixture(scope="module")
def prepared(shared_stage):
    """Networks "front" and "auto"; running containers "taken" on front and "free" on the default bridge."""
    stage = shared_stage
    stage.docker("network", "create", "--subnet", "10.5.0.0/24", "-o", f"{DRIVER}name=br-front", "front")
    stage.docker("network", "create", "auto")
    stage.sleeper("taken", "--network", "front")
    stage.sleeper("free")
    yield stage
    stage.clear()


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_refused_with_dockers_text_and_nothing_left(prepared, arguments):
    code, text = REFUSED[arguments]
    before = prepared.snapshot()
    result = prepared.lab.docker(*arguments, check=False)
    prepared.lab.docker("rm", "-f", "bad", check=False)
    assert text.lower() in result.both.lower()
    assert result.code == code
    prepared.unchanged_since(before)


def test_a_full_subnet(stage):
    stage.docker("network", "create", "--subnet", "10.6.0.0/30", "tiny")
    stage.sleeper("c1", "--network", "tiny")
    before = stage.snapshot()
    result = stage.fails("run", "-d", "--name", "c2", "--network", "tiny", "busybox", "sleep", "1")
    assert "no available IPv4 addresses on this network's address pools" in result.err or (
        "no available addresses on this pool" in result.err
    )
    stage.docker("rm", "c2")
    stage.unchanged_since(before)


def test_all_pools_used_up(stage_with):
    stage = stage_with("--default-address-pool", "base=10.200.0.0/23,size=24")
    stage.docker("network", "create", "a")
    result = stage.fails("network", "create", "b")
    assert "all predefined address pools have been fully subnetted" in result.err


def test_an_address_of_another_container(stage):
    stage.docker("network", "create", "--subnet", "10.6.0.0/24", "side")
    stage.sleeper("c1", "--network", "side", "--ip", "10.6.0.9")
    before = stage.snapshot()
    result = stage.fails("run", "-d", "--name", "c2", "--network", "side", "--ip", "10.6.0.9", *SLEEP)
    assert "Address already in use" in result.err
    stage.docker("rm", "c2")
    stage.unchanged_since(before)


def test_a_failed_start_leaves_a_created_container_with_the_reason(stage):
    stage.sleeper("c1", "-p", "8080:80")
    stage.fails("run", "-d", "--name", "c2", "-p", "8080:80", *SLEEP)
    state = stage.inspect("c2")["State"]
    assert state["Status"] == "created"
    assert state["ExitCode"] == 128 or "port is already allocated" in state["Error"]
    stage.docker("rm", "-f", "c1")
    stage.docker("start", "c2")


# --- the raw API ------------------------------------------------------------------------------------------


def request(stage, method: str, path: str, body: str = "", headers: dict[str, str] | None = None):
    """Status and JSON of one request, without any client's help."""
    connection = http.client.HTTPConnection("lab")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(stage.lab.socket))
    try:
        connection.request(method, path, body or None, headers or {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/v1.51/nowhere", "", 404, "page not found"),
        (
            "GET",
            "/v1.99/version",
            "",
            400,
            "client version 1.99 is too new. Maximum supported API version is {maximum}",
        ),
        (
            "GET",
            "/v1.12/version",
            "",
            400,
            "client version 1.12 is too old. Minimum supported API version is 1.24",
        ),
        ("POST", "/v1.51/networks/create", "{", 400, ""),
        ("POST", "/v1.51/networks/create", "[]", 400, ""),
        ("POST", "/v1.51/containers/create", "", 400, ""),
        ("POST", "/v1.51/containers/create", '{"Image": "nothing"}', 404, "No such image: nothing:latest"),
        ("POST", "/v1.51/containers/create", '{"Image": 7}', 400, ""),
        ("GET", "/v1.51/networks?filters=nonsense", "", 400, ""),
        ("GET", '/v1.51/networks?filters={"nonsense":["x"]}', "", 400, "invalid filter 'nonsense'"),
        ("DELETE", "/v1.51/networks/host", "", 403, "host is a pre-defined network and cannot be removed"),
        ("GET", "/v1.51/containers/nobody/json", "", 404, "No such container: nobody"),
        ("POST", "/v1.51/exec/nobody/start", "{}", 404, "No such exec instance: nobody"),
    ],
)
def test_the_api_answers_with_status_and_message(shared_stage, method, path, body, status, text):
    before = shared_stage.snapshot()
    answered, document = request(shared_stage, method, path, body)
    assert answered == status
    assert text.replace("{maximum}", versions.text(versions.MAXIMUM)) in document["message"]
    shared_stage.unchanged_since(before)


def test_a_client_that_goes_away_in_the_middle_of_a_run(stage):
    before = stage.snapshot()
    process = subprocess.Popen(
        ["docker", "run", "--rm", "--name", "c1", "-p", "8080:80", "busybox", "sleep", "1000"],
        env={**os.environ, **stage.lab.client_env},
        stdout=subprocess.DEVNULL,
    )
    stage.until(lambda: stage.docker("ps", "-q").text)
    process.kill()
    process.wait()
    stage.docker("rm", "-f", "c1")
    stage.unchanged_since(before)


def test_a_client_that_goes_away_in_the_middle_of_a_request(stage):
    before = stage.snapshot()
    for cut in (
        "POST /v1.51/contain",
        "POST /v1.51/containers/create HTTP/1.1\r\nContent-Length: 500\r\n\r\n{",
    ):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(stage.lab.socket))
            connection.sendall(cut.encode())
    time.sleep(0.2)
    assert stage.docker("ps", "-aq").text == ""
    stage.unchanged_since(before)


# --- the machine ------------------------------------------------------------------------------------------


def test_not_root(lab):
    unprivileged = (
        "setpriv",
        "--bounding-set=-all",
        "--inh-caps=-all",
        "--reuid=65534",
        "--clear-groups",
        "--",
    )
    if lab.run("host", *unprivileged, installed("linkspand"), "--version", check=False).code != 0:
        pytest.skip("the user nobody may not read this checkout")
    result = lab.run("host", *unprivileged, installed("linkspand"), "--data-root", "/tmp/nobody", check=False)
    assert result.code == 1
    assert "root" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [("iptables-restore", "iptables"), ("crun runc", "crun")],
)
def test_a_missing_program_is_said_clearly(lab, missing, sentence):
    """Hide programs by an empty file bound over them in the lab's own mount namespace."""
    empty = lab.directory / "empty"
    empty.touch(mode=0o644)
    for program in missing.split():
        for directory in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
            path = f"{directory}/{program}"
            lab.run("host", "sh", "-c", f"[ ! -e {path} ] || mount --bind {empty} {path}")
    try:
        lab.daemon("--firewall-backend=iptables")
        result = lab.docker("run", "--rm", "busybox", "true", check=False)
        said = result.err
        assert result.code == 125
    except Exception as error:  # the daemon may refuse to start instead
        said = str(error)
    assert sentence in said
    assert "Traceback" not in said
