"""A throwaway host for packet walks: LAN, internet, bridges and containers, made with plain `ip`."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
Answer = Callable[[socket.socket, int, list[str]], None]
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
COUNTER = itertools.count()
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


class Namespace:
    """One network namespace, with a thread that lives in it: what `call` runs, runs there."""

    def __init__(self, role: str, path: str = "") -> None:
        """Make a namespace, or enter the one mounted at `path`, which is somebody else's to remove."""
        self.name = "" if path else f"lk{os.getpid()}-{next(COUNTER)}-{role}"
        self._path = path or f"/run/netns/{self.name}"
        self._closing = threading.Event()
        self._servers: list[tuple[socket.socket, threading.Thread]] = []
        if self.name:
            subprocess.run(["ip", "netns", "add", self.name], check=True)
        self._pool = ThreadPoolExecutor(1, initializer=self._enter)
        self.run("ip link set lo up")

    def _enter(self) -> None:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if LIBC.setns(descriptor, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(descriptor)

    def call(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Run `function` inside, and return what it returns."""
        return self._pool.submit(function, *arguments, **named).result()

    def run(self, *commands: str) -> str:
        """Run each command line inside; return what they print."""
        return "".join(self.call(_output, command) for command in commands)

    def sysctl(self, key: str, value: object) -> None:
        """Write /proc/sys/KEY inside; `key` with slashes."""
        self.call(Path("/proc/sys", key).write_text, str(value))

    def open(self, kind: int = STREAM, family: int = socket.AF_INET, protocol: int = 0) -> socket.socket:
        """Open a socket that belongs to this namespace."""
        return self.call(socket.socket, family, kind, protocol)

    def serve(
        self, *ports: int, kind: int = STREAM, family: int = socket.AF_INET, dual: bool = False
    ) -> list[str]:
        """Answer on `ports` with "PEER PORT"; the returned list grows by each peer that was seen.

        With `dual` a socket of IPv6 answers IPv4 too.
        """
        seen: list[str] = []
        for port in ports:
            server = self.open(kind, family)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if dual:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind(("", port))
            server.settimeout(0.05)
            if kind == STREAM:
                server.listen(64)
            answer = _answer_stream if kind == STREAM else _answer_datagram
            thread = threading.Thread(target=self._serve, args=(server, answer, port, seen))
            self._servers.append((server, thread))
            thread.start()
        return seen

    def _serve(self, server: socket.socket, answer: Answer, port: int, seen: list[str]) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                answer(server, port, seen)

    def ask(
        self,
        address: str,
        port: int,
        *,
        kind: int = STREAM,
        timeout: float = 2.0,
        source: str = "",
    ) -> str:
        """Connect from here and return the answer; TimeoutError when a packet is dropped."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.open(kind, family) as client:
            client.settimeout(timeout)
            if source:
                client.bind((source, 0))
            client.connect((address, port))
            if kind == DATAGRAM:
                client.send(b"?")
            return client.recv(100).decode()

    def close(self) -> None:
        """Stop the servers, leave the namespace and delete it."""
        self._closing.set()
        for server, thread in self._servers:
            thread.join()
            server.close()
        self._pool.shutdown()
        if self.name:
            subprocess.run(["ip", "netns", "del", self.name], check=True)


class Topology:
    """host (eth0 10.0.0.5, wan0 198.51.100.1), lan (10.0.0.9) and internet (198.51.100.9).

    `lan` is also the attacker: it has routes to every container subnet through the host.
    """

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.host, self.lan, self.internet = (self._open(role) for role in ("host", "lan", "inet"))
        self.containers: list[Namespace] = []
        self._wire("eth0", "10.0.0.5/24", self.lan, "10.0.0.9/24")
        self._wire("wan0", "198.51.100.1/24", self.internet, "198.51.100.9/24")
        self.host.sysctl("net/ipv4/ip_forward", 1)
        self.lan.run("ip route add 172.16.0.0/12 via 10.0.0.5")

    def _open(self, role: str, path: str = "") -> Namespace:
        made = Namespace(role, path)
        self._stack.callback(made.close)
        return made

    def _wire(self, link: str, address: str, peer: Namespace, peer_address: str) -> None:
        self.host.run(
            f"ip link add {link} type veth peer name eth0 netns {peer.name}",
            f"ip address add {address} dev {link}",
            f"ip link set {link} up",
        )
        peer.run(f"ip address add {peer_address} dev eth0", "ip link set eth0 up")

    def dual_stack(self) -> None:
        """Give LAN and internet IPv6 too; the LAN knows the way to the containers of fd00:40::/32."""
        for inside, commands in (
            (self.host, ("address add fd00:10::5/64 dev eth0", "address add 2001:db8:9::1/64 dev wan0")),
            (self.lan, ("address add fd00:10::9/64 dev eth0", "route add fd00:40::/32 via fd00:10::5")),
            (self.internet, ("address add 2001:db8:9::9/64 dev eth0",)),
        ):
            for command in commands:
                inside.run(f"ip -6 {command}" + (" nodad" if "address" in command else ""))

    def bridge(self, name: str, *addresses: str) -> None:
        """Make a bridge on the host with `addresses` (with prefix length)."""
        self.host.run(f"ip link add {name} type bridge", f"ip link set {name} up")
        for address in addresses:
            self.host.run(f"ip address add {address} dev {name} {'nodad' if ':' in address else ''}")

    def container(self, bridge: str, address: str, gateway: str = "", *, hairpin: bool = False) -> Namespace:
        """Make a namespace with eth0 in `bridge`; hairpin mode as Docker sets it without a userland proxy."""
        inside = self._open("ctr")
        self.containers.append(inside)
        veth = f"veth{len(self.containers)}"
        self.host.run(
            f"ip link add {veth} type veth peer name eth0 netns {inside.name}",
            f"ip link set {veth} master {bridge} up",
        )
        if hairpin:
            self.host.run(f"ip link set {veth} type bridge_slave hairpin on")
        nodad = "nodad" if ":" in address else ""
        inside.run(f"ip address add {address} dev eth0 {nodad}", "ip link set eth0 up")
        if gateway:
            inside.run(f"ip route add default via {gateway}")
        return inside

    def visit(self, path: str) -> Namespace:
        """Enter a namespace that is mounted at `path`; left when the topology is closed."""
        self.containers.append(self._open("", path))
        return self.containers[-1]


def _output(command: str) -> str:
    result = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{command}: {result.stderr.strip()}")
    return result.stdout


def _answer_stream(server: socket.socket, port: int, seen: list[str]) -> None:
    client, peer = server.accept()
    with client:
        seen.append(peer[0])
        client.sendall(f"{peer[0]} {port}".encode())


def _answer_datagram(server: socket.socket, port: int, seen: list[str]) -> None:
    _, peer = server.recvfrom(100)
    seen.append(peer[0])
    server.sendto(f"{peer[0]} {port}".encode(), peer)


@pytest.fixture
def topology() -> Iterator[Topology]:
    """A host between a LAN and an internet; gone after the test."""
    with contextlib.ExitStack() as stack:
        yield Topology(stack)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """One empty network namespace; gone after the test."""
    made = Namespace("ns")
    try:
        yield made
    finally:
        made.close()
