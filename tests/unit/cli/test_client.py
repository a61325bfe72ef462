"""The client's requests and answers, against a socket that plays the daemon."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from linkspan.cli.client import Client, ClientError, encode_query, host_from


@contextmanager
def daemon(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """Answer one connection with these bytes, then close it; what was asked is in the list afterwards."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


def test_a_request_and_its_json(path):
    with daemon(path, b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"A": 1}') as asked:
        assert Client(f"unix://{path}").post("/x", {"B": 2}, name="c d", all=True, none=None) == {"A": 1}
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"POST /v1.51/x?name=c%20d&all=1 HTTP/1.1"
    assert b"Content-Type: application/json" in head
    assert body == b'{"B":2}'


def test_chunks_and_documents(path):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = head + b'5\r\n{"a":\r\n9\r\n1}\n{"a":2\r\n1\r\n}\r\n0\r\n\r\n'
    with daemon(path, chunks):
        assert list(Client(f"unix://{path}").send("GET", "/x").documents()) == [{"a": 1}, {"a": 2}]


def test_a_body_that_is_streamed(path):
    with daemon(path, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as asked:
        Client(f"unix://{path}").send("POST", "/x", stream=iter([b"one", b"", b"two"])).text()
    assert b"Transfer-Encoding: chunked" in asked[0]


def test_no_content(path):
    with daemon(path, b"HTTP/1.1 204 No Content\r\n\r\n"):
        assert Client(f"unix://{path}").call("DELETE", "/x") is None


def test_interim_answers_are_skipped(path):
    with daemon(path, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"):
        assert Client(f"unix://{path}").get("/x") == []


@pytest.mark.parametrize(
    ("body", "text"),
    [(b'{"message":"no such thing"}', "no such thing"), (b"plain", "plain"), (b"", "gave no reason")],
)
def test_an_error_is_the_daemons_message(path, body, text):
    with (
        daemon(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)),
        pytest.raises(ClientError, match=text) as caught,
    ):
        Client(f"unix://{path}").get("/x")
    assert caught.value.status == 404


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
def test_a_daemon_that_dies_in_between(path, answer):
    with daemon(path, answer), pytest.raises(ClientError, match="closed the connection"):
        Client(f"unix://{path}").get("/x")


def test_hijacked_bytes_that_came_with_the_head_are_not_lost(path):
    with daemon(path, b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\nfirst"):
        response = Client(f"unix://{path}").hijack("POST", "/attach")
        assert b"".join(response.pieces()) == b"first"


@pytest.mark.parametrize(
    "host", ["unix:///nowhere/x.sock", "tcp://127.0.0.1:1", "ftp://x", "tcp://127.0.0.1:x"]
)
def test_no_daemon(host):
    with pytest.raises(ClientError) as caught:
        Client(host).get("/x")
    assert caught.value.status == 0


def test_where_the_daemon_is():
    assert host_from({}) == "unix:///run/linkspan/linkspan.sock"
    assert host_from({"DOCKER_HOST": "unix:///d"}) == "unix:///d"
    assert host_from({"DOCKER_HOST": "unix:///d", "LINKSPAN_HOST": "unix:///l"}) == "unix:///l"
    assert host_from({"LINKSPAN_HOST": "unix:///l"}, "/given") == "unix:///given"


def test_query():
    assert encode_query({}) == ""
    assert encode_query({"a": ["x", "y"], "b": False, "c": None, "d": 3}) == "?a=x&a=y&b=0&d=3"
    assert encode_query({"filters": '{"a":1}'}) == "?filters=%7B%22a%22%3A1%7D"
