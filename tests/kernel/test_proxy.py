"""The packet's way through the userland proxy: streams, datagrams, source addresses, families, refusals."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from linkspan.blueprint.listeners import Listener
from linkspan.path.proxy import datagrams
from linkspan.path.proxy.client import ProxyClient
from linkspan.path.proxy.loop import Loop
from linkspan.path.proxy.sources import Sources

Isolated = Callable[..., Any]
HOST = "127.0.0.1"
CLONE_NEWNET = 0x40000000


@pytest.fixture
def isolated() -> Callable[..., Any]:
    """`isolated(story)` runs the story in a thread with a network namespace of its own, lo up."""

    def run(story: Callable[[], Any]) -> Any:
        result: Future[Any] = Future()

        def body() -> None:
            try:
                if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "unshare")
                subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
                result.set_result(story())
            except BaseException as error:
                result.set_exception(error)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        return result.result()

    return run


def _listener(protocol: str, host: str, port: int, target: str, target_port: int) -> Listener:
    return Listener(protocol, ip_address(host), port, ip_address(target), target_port)


@contextlib.contextmanager
def _proxied(tmp_path: Path, *listeners: Listener) -> Iterator[ProxyClient]:
    client = ProxyClient(tmp_path / "proxy.sock", tmp_path / "proxy.log")
    try:
        client.serve(client.reserve(listeners))
        yield client
    finally:
        client.shutdown()
        log = (tmp_path / "proxy.log").read_text() if (tmp_path / "proxy.log").exists() else ""
    assert log == ""


@contextlib.contextmanager
def _server(handle: Callable[[socket.socket], None], address: str = HOST) -> Iterator[int]:
    """A TCP server in the test's namespace that gives each connection to `handle` in a thread."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.create_server((address, 0), family=family, backlog=1024)
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionError):
            handle(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        acceptor.join()
        for thread in threads:
            thread.join()


def _all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def _answer_with_digest(connection: socket.socket) -> None:
    connection.sendall(hashlib.sha256(_all(connection)).digest())


def _echo(connection: socket.socket) -> None:
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def _connected(port: int, host: str = HOST) -> socket.socket:
    made = socket.create_connection((host, port))
    made.settimeout(20)
    return made


def test_half_close_reaches_the_target_and_the_answer_comes_back(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with (
            _server(_answer_with_digest) as target,
            _proxied(tmp_path, _listener("tcp", HOST, 8080, HOST, target)),
            _connected(8080) as client,
        ):
            client.sendall(b"ask")
            client.shutdown(socket.SHUT_WR)
            assert _all(client) == hashlib.sha256(b"ask").digest()

    isolated(story)


def test_the_server_may_close_first(isolated: Isolated, tmp_path: Path) -> None:
    received: list[bytes] = []

    def greet_and_listen(connection: socket.socket) -> None:
        connection.sendall(b"220 welcome")
        connection.shutdown(socket.SHUT_WR)
        received.append(_all(connection))

    def story() -> None:
        with (
            _server(greet_and_listen) as target,
            _proxied(tmp_path, _listener("tcp", HOST, 8080, HOST, target)),
            _connected(8080) as client,
        ):
            assert _all(client) == b"220 welcome"
            client.sendall(b"late words")
        assert received == [b"late words"]

    isolated(story)


def test_64_mebibytes_go_through_unchanged(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        data = os.urandom(1 << 20)
        with (
            _server(_answer_with_digest) as target,
            _proxied(tmp_path, _listener("tcp", HOST, 8080, HOST, target)),
            _connected(8080) as client,
        ):
            for _ in range(64):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert _all(client) == hashlib.sha256(data * 64).digest()

    isolated(story)


def test_both_directions_at_once_under_back_pressure(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        data = os.urandom(8 << 20)
        with (
            _server(_echo) as target,
            _proxied(tmp_path, _listener("tcp", HOST, 8080, HOST, target)),
            _connected(8080) as client,
        ):
            sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
            sender.start()
            time.sleep(0.2)  # every buffer on the way is full now
            received = _all(client)
            sender.join()
            assert received == data

    isolated(story)


def test_a_slow_reader_holds_up_nobody(isolated: Isolated, tmp_path: Path) -> None:
    def flood(connection: socket.socket) -> None:
        while connection.send(bytes(1 << 16)):
            continue

    def story() -> None:
        with (
            _server(flood) as flooding,
            _server(_echo) as target,
            _proxied(
                tmp_path,
                _listener("tcp", HOST, 8080, HOST, flooding),
                _listener("tcp", HOST, 8081, HOST, target),
            ) as client,
        ):
            stalled = [_connected(8080) for _ in range(20)]
            time.sleep(0.2)
            started = time.monotonic()
            for _ in range(50):
                with _connected(8081) as quick:
                    quick.sendall(b"ping")
                    assert quick.recv(100) == b"ping"
            assert time.monotonic() - started < 2
            assert _cpu_ticks_in(client, 0.5) < 5  # blocked writers cost nothing while they wait
            for connection in stalled:
                connection.close()

    isolated(story)


def _cpu_ticks_in(client: ProxyClient, seconds: float) -> int:
    def ticks() -> int:
        fields = Path(f"/proc/{client.pid()}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(seconds)
    return ticks() - before


def test_a_refused_target_resets_the_client(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with (
            _proxied(tmp_path, _listener("tcp", HOST, 8080, HOST, 1)),
            pytest.raises(ConnectionResetError),
            _connected(8080) as client,
        ):
            client.recv(1)

    isolated(story)


def test_an_unreachable_target_resets_the_client(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with (
            _proxied(tmp_path, _listener("tcp", HOST, 8080, "172.17.0.2", 80)),
            pytest.raises(ConnectionResetError),
            _connected(8080) as client,
        ):
            client.recv(1)

    isolated(story)


def test_a_reset_is_passed_on(isolated: Isolated, tmp_path: Path) -> None:
    seen: list[BaseException] = []
    ready = threading.Event()

    def wait_for_reset(connection: socket.socket) -> None:
        ready.set()
        try:
            _all(connection)
        except ConnectionResetError as error:
            seen.append(error)

    def story() -> None:
        with (
            _server(wait_for_reset) as target,
            _proxied(tmp_path, _listener("tcp", HOST, 8080, HOST, target)),
        ):
            client = _connected(8080)
            assert ready.wait(5)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            client.close()
        assert len(seen) == 1

    isolated(story)


def test_many_connections_leave_no_descriptor_behind(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with (
            _server(_echo) as target,
            _proxied(tmp_path, _listener("tcp", HOST, 8080, HOST, target)) as client,
        ):
            descriptors = Path(f"/proc/{client.pid()}/fd")
            before = len(list(descriptors.iterdir()))
            for _ in range(4):
                connections = [_connected(8080) for _ in range(100)]
                for connection in connections:
                    connection.sendall(b"x" * 1000)
                for connection in connections:
                    assert connection.recv(1000, socket.MSG_WAITALL) == b"x" * 1000
                    connection.close()
            _until(lambda: len(list(descriptors.iterdir())) <= before + 2 * 64)  # spare pipes stay
            _until(lambda: _sockets(descriptors) == 3)  # control: listener and connection; the port

    isolated(story)


def _sockets(descriptors: Path) -> int:
    count = 0
    for entry in descriptors.iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += "socket:" in str(entry.readlink())
    return count


def _until(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_thousands_of_idle_connections_and_running_out_of_descriptors(
    isolated: Isolated, tmp_path: Path
) -> None:
    """With 600 descriptors for 500 connections: those that fit work, the others wait and are served later."""

    def story() -> None:
        with (
            _server(_echo) as target,
            _proxied(tmp_path, _listener("tcp", HOST, 8080, HOST, target)) as client,
        ):
            subprocess.run(["prlimit", "--nofile=600:600", "--pid", str(client.pid())], check=True)
            connections = [_connected(8080) for _ in range(500)]
            for connection in connections[:200]:
                connection.sendall(b"ping")
                assert connection.recv(4) == b"ping"
            assert client.listeners()  # the daemon is answered all the time
            for connection in connections[:300]:
                connection.close()
            for connection in connections[300:]:
                connection.sendall(b"ping")
                assert connection.recv(4) == b"ping"
                connection.close()

    isolated(story)


@pytest.mark.parametrize(("host", "target"), [("::1", HOST), (HOST, "::1"), ("::1", "::1")])
def test_tcp_between_families(isolated: Isolated, tmp_path: Path, host: str, target: str) -> None:
    def story() -> None:
        with (
            _server(_echo, target) as port,
            _proxied(tmp_path, _listener("tcp", host, 8080, target, port)),
            _connected(8080, host) as client,
        ):
            client.sendall(b"ping")
            assert client.recv(4) == b"ping"

    isolated(story)


def test_v4_and_v6_wildcards_share_a_port_number(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with (
            _server(_echo) as port,
            _proxied(
                tmp_path,
                _listener("tcp", "0.0.0.0", 8080, HOST, port),
                _listener("tcp", "::", 8080, HOST, port),
            ),
        ):
            for host in (HOST, "::1"):
                with _connected(8080, host) as client:
                    client.sendall(b"ping")
                    assert client.recv(4) == b"ping"

    isolated(story)


@contextlib.contextmanager
def _datagram_server(address: str = HOST) -> Iterator[tuple[int, list[Any]]]:
    """A UDP server that answers with the text it got, upper case; the list collects who asked."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    served = socket.socket(family, socket.SOCK_DGRAM)
    served.bind((address, 0))
    peers: list[Any] = []

    def serve() -> None:
        while True:
            data, peer = served.recvfrom(65536)
            if data == b"stop":
                return
            peers.append(peer)
            served.sendto(data.upper(), peer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield served.getsockname()[1], peers
    finally:
        with socket.socket(family, socket.SOCK_DGRAM) as stopper:
            stopper.sendto(b"stop", served.getsockname())
        thread.join()
        served.close()


def _datagrams(family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.settimeout(5)
    return made


def test_each_udp_client_has_one_session(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with (
            _datagram_server() as (target, peers),
            _proxied(tmp_path, _listener("udp", HOST, 5353, HOST, target)),
            _datagrams() as one,
            _datagrams() as two,
        ):
            for _ in range(3):
                for client, text in ((one, b"one"), (two, b"two")):
                    client.sendto(text, (HOST, 5353))
                    assert client.recvfrom(100) == (text.upper(), (HOST, 5353))
            assert len(set(peers)) == 2

    isolated(story)


def test_udp_answers_come_from_the_address_that_was_asked(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        addresses = {"0.0.0.0": ["10.9.0.1", "10.9.0.2"], "::": ["fd09::1", "fd09::2"]}
        for address in addresses["0.0.0.0"] + addresses["::"]:
            bits = 128 if ":" in address else 32
            command = ["ip", "address", "add", f"{address}/{bits}", "dev", "lo"]
            subprocess.run(command + ["nodad"] * (bits == 128), check=True)
        with (
            _datagram_server() as (target, _),
            _proxied(
                tmp_path,
                *(_listener("udp", wildcard, 5353, HOST, target) for wildcard in addresses),
            ),
        ):
            for wildcard, asked in addresses.items():
                family = socket.AF_INET6 if ":" in wildcard else socket.AF_INET
                with _datagrams(family) as client:
                    client.bind((asked[0], 0))
                    for address in asked:
                        client.sendto(b"who", (address, 5353))
                        text, peer = client.recvfrom(100)
                        assert (text, peer[0]) == (b"WHO", address)

    isolated(story)


def test_a_large_datagram_and_an_empty_one(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with (
            _datagram_server() as (target, _),
            _proxied(tmp_path, _listener("udp", HOST, 5353, HOST, target)),
            _datagrams() as client,
        ):
            for size in (65507, 0, 1):
                client.sendto(b"a" * size, (HOST, 5353))
                assert client.recv(65536) == b"A" * size

    isolated(story)


def test_udp_survives_a_target_that_is_not_there_yet(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _datagram_server() as (target, _):
            pass  # the port is known, and nobody is on it now
        with (
            _proxied(tmp_path, _listener("udp", HOST, 5353, HOST, target)) as proxy,
            _datagrams() as client,
        ):
            for _ in range(5):
                client.sendto(b"who", (HOST, 5353))
            time.sleep(0.05)
            assert proxy.listeners()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
                late.bind((HOST, target))
                late.settimeout(5)
                client.sendto(b"late", (HOST, 5353))
                text, peer = late.recvfrom(100)
                late.sendto(text, peer)
            assert client.recv(100) == b"late"

    isolated(story)


def test_udp_sessions_end_when_they_are_idle(isolated: Isolated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "IDLE", 0.3)
    monkeypatch.setattr(datagrams, "SWEEP_INTERVAL", 0.05)

    def story() -> None:
        loop = Loop(1000)
        published = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        published.bind((HOST, 5353))
        with _datagram_server() as (target, peers), _datagrams() as busy, _datagrams() as idle:
            door = datagrams.DatagramDoor(loop, published, (HOST, target), Sources(""))
            before = len(list(Path("/proc/self/fd").iterdir()))
            idle.sendto(b"once", (HOST, 5353))
            started = time.monotonic()
            while time.monotonic() < started + 0.6:
                busy.sendto(b"again", (HOST, 5353))
                loop.turn()  # the datagram, then its answer
                loop.turn()
            assert len(set(peers)) == 2  # the busy one kept its session
            assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
            while len(list(Path("/proc/self/fd").iterdir())) > before:
                loop.turn()
            assert time.monotonic() < started + 3
            door.close()

    isolated(story)
