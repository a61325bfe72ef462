"""Host ports and the proxy's life: all or nothing, shut until served, freed at once, outliving the daemon."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from linkspan.blueprint.listeners import Listener
from linkspan.path.proxy import spawn
from linkspan.path.proxy.client import AddressInUse, ProxyClient

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


def _listener(protocol: str, port: int, target_port: int = 80, count: int = 1, host: str = HOST) -> Listener:
    return Listener(protocol, ip_address(host), port, ip_address(HOST), target_port, count)


@contextlib.contextmanager
def _client(tmp_path: Path, userland_proxy: bool = True) -> Iterator[ProxyClient]:
    client = ProxyClient(tmp_path / "proxy.sock", tmp_path / "proxy.log", userland_proxy)
    try:
        yield client
    finally:
        client.shutdown()


@contextlib.contextmanager
def _echo_server() -> Iterator[int]:
    """Answers every connection's first bytes with the same bytes."""
    listening = socket.create_server((HOST, 0), backlog=100)

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(ConnectionError):
                connection.sendall(connection.recv(100))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def _ask(port: int) -> bytes:
    with socket.create_connection((HOST, port), timeout=5) as asking:
        asking.sendall(b"ping")
        return asking.recv(100)


def _bind(protocol: str, port: int, reuse: bool = False) -> None:
    """Bind, and listen on, a port as any other program would; raises OSError if that is not possible."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as other:
        if reuse:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, port))
        if kind == socket.SOCK_STREAM:
            other.listen()


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _until(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_taken_port_is_named_and_nothing_is_kept(isolated: Isolated, tmp_path: Path, protocol: str) -> None:
    def story() -> None:
        with _client(tmp_path) as client:
            taken = [_listener(protocol, 8005)]
            client.serve(client.reserve(taken))
            wanted = [_listener(protocol, 7000), _listener(protocol, 8000, 8000, 10)]
            with pytest.raises(AddressInUse) as refusal:
                client.reserve(wanted)
            assert (refusal.value.listener, refusal.value.port) == (wanted[1], 8005)
            text = f"failed to bind host port 127.0.0.1:8005/{protocol}: address already in use"
            assert str(refusal.value) == text
            for free in (7000, 8000, 8004, 8006):
                _bind(protocol, free)
            client.close(taken)
            _bind(protocol, 8005)

    isolated(story)


def test_an_address_that_is_not_there_is_named(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _client(tmp_path) as client, pytest.raises(OSError) as refusal:
            client.reserve([_listener("tcp", 80, host="fd00::99")])
        assert refusal.value.errno == errno.EADDRNOTAVAIL
        assert "failed to bind host port [fd00::99]:80/tcp: cannot assign" in str(refusal.value)

    isolated(story)


def test_sctp_without_kernel_support_says_so(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        try:
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
        except OSError:
            with _client(tmp_path) as client, pytest.raises(OSError, match="this kernel has no SCTP"):
                client.reserve([_listener("sctp", 80)])

    isolated(story)


def test_nothing_is_accepted_before_serve_and_all_after(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _echo_server() as target, _client(tmp_path) as client:
            reservation = client.reserve([_listener("tcp", 8080, target), _listener("udp", 8080, target)])
            early = socket.socket()
            early.settimeout(0.3)
            with pytest.raises(ConnectionRefusedError):
                early.connect((HOST, 8080))
            early.close()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
                datagram.sendto(b"early", (HOST, 8080))
                with pytest.raises(BlockingIOError):
                    reservation.sockets[1].recv(10)
            client.serve(reservation)
            assert _ask(8080) == b"ping"

    isolated(story)


def test_who_listens_on_a_reserved_port_first_has_it(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _client(tmp_path) as client, socket.socket() as other:
            reservation = client.reserve([_listener("tcp", 8079), _listener("tcp", 8080)])
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((HOST, 8080))
            other.listen()
            with pytest.raises(AddressInUse) as refusal:
                client.serve(reservation)
            assert refusal.value.port == 8080
            client.release(reservation)
            assert client.listeners() == []
            with socket.socket() as early, pytest.raises(ConnectionRefusedError):
                early.connect((HOST, 8079))

    isolated(story)


def test_only_the_proxy_is_seen_on_the_port(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _client(tmp_path) as client:
            client.serve(client.reserve([_listener("tcp", 8080)]))
            shown = subprocess.run(["ss", "-Hnltp"], capture_output=True, text=True, check=True).stdout
            assert shown.count("users:") == 1
            assert f'"linkspan-proxy",pid={client.pid()}' in shown
            command = subprocess.run(
                ["ps", "-o", "sid=,args=", "-p", str(client.pid())],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()
            assert command[0] == str(client.pid())
            assert command[1].endswith("/linkspan-proxy")

    isolated(story)


def test_a_thousand_ports_in_one_call(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _echo_server() as target, _client(tmp_path) as client:
            wanted = [
                _listener("tcp", 10000, 10000, 1500),
                _listener("udp", 10000, 10000, 1500),
                _listener("tcp", 9000, target),
            ]
            client.serve(client.reserve(wanted))
            assert sorted(client.listeners(), key=repr) == sorted(wanted, key=repr)
            assert _ask(9000) == b"ping"
            client.close(wanted[:2])
            assert client.listeners() == wanted[2:]
            _bind("tcp", 10000)
            _bind("udp", 11499)

    isolated(story)


def _reserving(tmp_path: Path, soft: int, hard: int) -> str:
    """Reserve 200 ports in a process with these limits of open files; return what it prints."""
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from ipaddress import ip_address as a
from pathlib import Path
from linkspan.blueprint.listeners import Listener
from linkspan.path.proxy import limits
from linkspan.path.proxy.client import ProxyClient
limits.WANTED = {hard}
wanted = Listener("tcp", a("127.0.0.1"), 2000, a("::1"), 1, 200)
try:
    print(len(ProxyClient(Path({str(tmp_path)!r}) / "s").reserve([wanted]).sockets))
except OSError as error:
    print(error)
"""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_more_ports_than_descriptors_is_a_clear_error(isolated: Isolated, tmp_path: Path) -> None:
    text = isolated(lambda: _reserving(tmp_path, 100, 100))
    assert "failed to bind host port 127.0.0.1:20" in text
    assert "limit of open files: 100; raise it with ulimit -n or LimitNOFILE=" in text


def test_the_limit_of_open_files_is_raised_when_it_is_met(isolated: Isolated, tmp_path: Path) -> None:
    assert isolated(lambda: _reserving(tmp_path, 100, 1000)) == "200\n"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_close_frees_the_port_at_once_even_in_use(isolated: Isolated, tmp_path: Path, protocol: str) -> None:
    def story() -> None:
        with _client(tmp_path) as client, socket.create_server((HOST, 0)) as silent:
            listeners = [_listener(protocol, 8080, silent.getsockname()[1])]
            for _ in range(20):
                client.serve(client.reserve(listeners))
                kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
                with socket.socket(socket.AF_INET, kind) as busy:
                    busy.connect((HOST, 8080))
                    busy.send(b"never answered")
                    client.close(listeners)
                    _bind(protocol, 8080)
            client.close(listeners)  # unknown by now

    isolated(story)


def test_held_ports_are_refused_and_nobody_can_take_them(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _client(tmp_path, userland_proxy=False) as client:
            listeners = [_listener("tcp", 8080), _listener("udp", 8080)]
            client.serve(client.reserve(listeners))
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((HOST, 8080), timeout=1)
            for protocol, reuse in (("tcp", False), ("tcp", True), ("udp", False), ("udp", True)):
                with pytest.raises(OSError, match="in use"):
                    _bind(protocol, 8080, reuse)
            with pytest.raises(AddressInUse):
                client.reserve(listeners[:1])
            assert client.listeners() == listeners
            client.close(listeners)
            _bind("tcp", 8080)
            _bind("udp", 8080)

    isolated(story)


def test_a_restart_gets_the_port_in_spite_of_time_wait(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _echo_server() as target, _client(tmp_path) as client:
            for _ in range(3):
                listeners = [_listener("tcp", 8080, target)]
                client.serve(client.reserve(listeners))
                assert _ask(8080) == b"ping"
                client.close(listeners)

    isolated(story)


def test_the_proxy_outlives_its_daemon_and_is_found_again(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _echo_server() as target:
            listeners = [_listener("tcp", 8080, target)]
            code = f"""
import os
from ipaddress import ip_address as a
from pathlib import Path
from linkspan.blueprint.listeners import Listener
from linkspan.path.proxy.client import ProxyClient
client = ProxyClient(Path({str(tmp_path)!r}) / "proxy.sock")
client.serve(client.reserve([Listener("tcp", a("127.0.0.1"), 8080, a("127.0.0.1"), {target})]))
os.kill(os.getpid(), 9)
"""
            assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
            assert _ask(8080) == b"ping"
            with _client(tmp_path) as successor:
                pid = successor.pid()
                assert successor.listeners() == listeners
                more = [_listener("tcp", 8081, target)]
                successor.serve(successor.reserve(more))
                assert successor.pid() == pid
                successor.close(listeners)
                _bind("tcp", 8080, reuse=True)  # what ended before is in TIME_WAIT, as with any server
            _until(lambda: not _running(pid))

    isolated(story)


def test_the_proxy_ends_when_it_holds_nothing_and_the_daemon_has_gone(
    isolated: Isolated, tmp_path: Path
) -> None:
    def story() -> None:
        with _client(tmp_path) as client:
            listeners = [_listener("tcp", 8080)]
            client.serve(client.reserve(listeners))
            pid = client.pid()
            client.close(listeners)
            assert _running(pid)  # while the daemon is there, the next publish finds it warm
            client.disconnect()
            _until(lambda: not _running(pid))
            assert list(tmp_path.glob("*.sock")) == []

    isolated(story)


def test_a_proxy_that_nobody_can_find_any_more_ends(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _client(tmp_path) as client:
            client.serve(client.reserve([_listener("tcp", 8080)]))
            pid = client.pid()
            (tmp_path / "proxy.sock").unlink()
            assert client.listeners()  # its daemon is connected: nothing is lost
            client.disconnect()
            _until(lambda: not _running(pid), 10)
            _bind("tcp", 8080)

    isolated(story)


def test_a_proxy_whose_daemon_died_at_once_ends(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        pid = spawn.start(tmp_path / "proxy.sock", None)
        _until(lambda: not _running(pid), 10)
        os.waitpid(pid, 0)
        assert list(tmp_path.iterdir()) == []

    isolated(story)


def test_shutdown_leaves_no_process_no_socket_and_no_file(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _client(tmp_path) as client:
            client.serve(client.reserve([_listener("tcp", 8080)]))
            pid = client.pid()
            client.shutdown()
            assert not Path(f"/proc/{pid}").exists()
            assert [entry.name for entry in tmp_path.iterdir()] == ["proxy.log"]
            assert (tmp_path / "proxy.log").read_text() == ""
            _bind("tcp", 8080)
            client.shutdown()  # nothing there any more
            assert client.listeners() == []

    isolated(story)


def test_a_dead_proxy_is_replaced(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _echo_server() as target, _client(tmp_path) as client:
            listeners = [_listener("tcp", 8080, target)]
            client.serve(client.reserve(listeners))
            dead = client.pid()
            os.kill(dead, signal.SIGKILL)
            _until(lambda: client.pid() not in (0, dead))
            assert _ask(8080) == b"ping"
            assert client.listeners() == listeners
            client.close(listeners)
            _bind("tcp", 8080, reuse=True)
            client.serve(client.reserve(listeners))
            assert _ask(8080) == b"ping"

    isolated(story)


def test_nobody_gets_a_port_and_no_connect_is_refused_while_the_proxy_dies(
    isolated: Isolated, tmp_path: Path
) -> None:
    def thief(ended: threading.Event, loot: list[str]) -> None:
        while not ended.is_set():
            for protocol in ("tcp", "udp"):
                with contextlib.suppress(OSError):
                    _bind(protocol, 8080, reuse=protocol == "tcp")
                    loot.append(protocol)
            time.sleep(0.0002)  # the client under test shares this interpreter

    def caller(ended: threading.Event, refused: list[str], answers: list[float]) -> None:
        while not ended.is_set():
            begun = time.monotonic()
            try:
                socket.create_connection((HOST, 8080), timeout=5).close()
            except OSError as error:
                refused.append(str(error))
            answers.append(time.monotonic() - begun)
            time.sleep(0.0002)

    def story() -> None:
        with _echo_server() as target, _client(tmp_path) as client:
            client.serve(client.reserve([_listener(each, 8080, target) for each in ("tcp", "udp")]))
            ended, loot, refused, answers = threading.Event(), [], [], []
            threads = [
                threading.Thread(target=thief, args=(ended, loot)),
                threading.Thread(target=caller, args=(ended, refused, answers)),
            ]
            for thread in threads:
                thread.start()
            try:
                for _ in range(2):
                    dead = client.pid()
                    os.kill(dead, signal.SIGKILL)
                    assert _ask(8080) == b"ping"  # what waits in the queue is served by the next process
                    assert client.pid() not in (0, dead)
            finally:
                ended.set()
                for thread in threads:
                    thread.join()
            assert (loot, refused) == ([], [])
            assert len(answers) > 10

    isolated(story)


def test_a_second_daemon_gets_the_sockets_of_the_running_proxy(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        with _echo_server() as target, _client(tmp_path) as first:
            relayed = [_listener("tcp", 8080, target), _listener("tcp", 9000, 9000, 300)]
            first.serve(first.reserve(relayed))
            dead = first.pid()
            first.disconnect()
            with _client(tmp_path, userland_proxy=False) as second:
                assert len(second.listeners()) == 2
                held = [_listener("udp", 7000)]
                second.serve(second.reserve(held))
                os.kill(dead, signal.SIGKILL)
                _until(lambda: second.pid() not in (0, dead))
                assert _ask(8080) == b"ping"
                assert second.pid() not in (0, dead)
                assert sorted(second.listeners(), key=str) == sorted([*relayed, *held], key=str)
                with pytest.raises(OSError, match="in use"):
                    _bind("tcp", 9299)
                second.close(relayed)
                _bind("tcp", 9299)
                with pytest.raises(OSError, match="in use"):
                    _bind("udp", 7000)

    isolated(story)


def test_threads_may_publish_and_close_at_the_same_time(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        failures: list[BaseException] = []
        with _client(tmp_path) as client:

            def publish(base: int) -> None:
                try:
                    _enter(namespace)
                    for turn in range(20):
                        listeners = [_listener("tcp", base + turn % 3, 80, 5)]
                        client.serve(client.reserve(listeners))
                        client.close(listeners)
                except BaseException as error:
                    failures.append(error)

            threads = [threading.Thread(target=publish, args=(9000 + 10 * n,)) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            os.close(namespace)
            assert failures == []
            assert client.listeners() == []

    isolated(story)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0):
        raise OSError(ctypes.get_errno(), "setns")


def test_a_long_path_of_the_control_socket_is_no_problem(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        deep = tmp_path / ("d" * 100) / ("e" * 100)
        with _client(deep) as client:
            client.serve(client.reserve([_listener("tcp", 8080)]))
            assert client.pid()

    isolated(story)


def test_the_daemon_keeps_one_high_descriptor_for_many_ports(isolated: Isolated, tmp_path: Path) -> None:
    def story() -> None:
        def low() -> int:
            return sum(int(entry.name) < 1024 for entry in Path("/proc/self/fd").iterdir())

        def descriptors() -> int:
            return len(list(Path("/proc/self/fd").iterdir()))

        with _client(tmp_path) as client:
            client.serve(client.reserve([_listener("tcp", 7999)]))
            before, before_low = descriptors(), low()
            crowd = [_listener("tcp", 8000, 8000, 300)]
            client.serve(client.reserve(crowd))
            with pytest.raises(AddressInUse):
                client.reserve([_listener("tcp", 7000, 7000, 1001)])
            assert (descriptors(), low()) == (before + 2, before_low)  # libnftables selects below 1024
            client.close(crowd)
            assert descriptors() == before

    isolated(story)
