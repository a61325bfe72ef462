"""The daemon's socket and files from outside: who may, how much, and what is never told to others."""

from __future__ import annotations

import base64
import contextlib
import json
import socket

import pytest

SECRET = "S3CRET"


def ask(stage, raw: bytes) -> bytes:
    """The first bytes that the socket answers to whatever is sent."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(stage.lab.socket))
        with contextlib.suppress(BrokenPipeError):  # it may have heard enough
            client.sendall(raw)
        return client.recv(4096)


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: d", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


LARGE = b'{"Image":"busybox","Env":["A=' + b"x" * (17 << 20) + b'"]}'
JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request("POST", "/containers/create", LARGE, JSON), b"413"),
        (request("POST", "/networks/create", b"[" * 100_000 + b"]" * 100_000, JSON), b"400"),
        (request("GET", "/_ping", b"", "X-A: " + "y" * (2 << 20)), b"400"),
        (request("GET", "/" + "y" * (2 << 20)), b"400"),
        (request("GET", "/_ping", b"", *(f"X-{n}: y" for n in range(100_000))), b"400"),
        (request("GET", "/containers/..%2f..%2fetc/json"), b"404"),
        (request("GET", "/containers/%00/json"), b"404"),
        (request("GET", "/volumes/..%2f..%2fetc"), b"404"),
        (request("GET", "/images/..%2f../json"), b"400"),
        (request("DELETE", "/volumes/..%2foverlay"), b"404"),
        (b"\x16\x03\x01\x02\x00" + bytes(600), b"400"),
    ],
    ids=[
        *("body", "nesting", "header", "line", "headers", "container", "zero", "volume", "image", "removal"),
        "tls",
    ],
)
def test_requests_are_bounded_and_names_are_no_paths(stage, raw, status):
    assert ask(stage, raw).split(b" ")[1] == status
    assert b" 200 " in ask(stage, request("GET", "/_ping"))


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", "-x"])
def test_names_are_no_paths(stage, name):
    long = ("volume", "create", "x" * 300)
    for command in (("volume", "create", "--", name), ("create", "--name", name, "busybox"), long):
        refused = stage.fails(*command)
        assert stage.lab.directory.name not in refused.err, "no path of ours is told"


def test_the_socket_is_roots_and_no_web_page_may_use_it(stage):
    assert stage.host("stat", "-c", "%a %u %g", str(stage.lab.socket)).text == "660 0 0"
    answer = ask(stage, request("OPTIONS", "/containers/json", b"", "Origin: http://evil.example"))
    assert b"Access-Control" not in answer


def test_secrets_are_in_no_log_and_in_no_file_that_others_read(stage_with):
    stage = stage_with("--debug")
    login = {"username": "u", "password": f"{SECRET}PW", "serveraddress": "127.0.0.1:1"}
    ask(stage, request("POST", "/auth", json.dumps(login).encode(), JSON))
    token = base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
    ask(
        stage,
        request("POST", "/images/create?fromImage=127.0.0.1:1/x&tag=1", b"", f"X-Registry-Auth: {token}"),
    )
    stage.docker(
        "run", "-d", "--name=web", "-e", f"A={SECRET}1", "busybox", "sh", "-c", f": {SECRET}2; sleep 99"
    )
    stage.docker("exec", "-d", "-e", f"B={SECRET}3", "web", "sleep", "98")
    stage.fails("run", "-e", f"A={SECRET}4", "busybox", "nothing-of-that-name")
    log = stage.lab.daemon_log(100_000)
    assert "listening on" in log
    assert SECRET not in log and token[:24] not in log
    places = f"{stage.lab.exec_root} {stage.lab.data_root}"
    anybody = stage.host("bash", "-c", f"grep -rlsI {SECRET} {places} -D skip", check=False)
    assert anybody.lines, "the search finds what is there"
    found = stage.host(
        "bash", "-c", f"find {places} -type f -perm /077 -exec grep -l {SECRET} {{}} +", check=False
    )
    assert found.out == ""


def test_a_container_has_dockers_defaults_and_not_more(stage):
    stage.sleeper("plain")
    status = stage.inside("plain", "cat", "/proc/self/status").out
    assert "CapEff:\t00000000a80425fb" in status and "CapBnd:\t00000000a80425fb" in status
    assert "Seccomp:\t2" in status
    for refused in (
        "mount -t tmpfs none /mnt",
        "echo x >/proc/sysrq-trigger",
        "echo 1 >/proc/sys/net/ipv4/ip_forward",
        "mknod /tmp/disk b 259 0 && head -c1 /tmp/disk",
        "mknod /tmp/mem c 1 1 && head -c1 /tmp/mem",
        "cat /proc/kcore",
        "ls /proc/acpi/* /sys/firmware/*",
        "unshare -U true",
        "echo 1 >/sys/kernel/mm/ksm/run",
    ):
        assert stage.inside("plain", "sh", "-c", refused, check=False).code != 0, refused
    devices = set(stage.inside("plain", "ls", "/dev").out.split())
    standard = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
    assert devices <= set(standard.split())
