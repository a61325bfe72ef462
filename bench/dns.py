"""Measure the embedded resolver beside aardvark-dns: 200 names, the server on one core.

    sudo .venv/bin/python bench/dns.py [--quick] [--no-write]

Both are asked the same questions, byte for byte, each by the way its containers ask: ours at 127.0.0.11:53
through the NAT rules of the container's namespace, aardvark-dns at the gateway's address through a veth pair,
the bridge and the host's connection tracking. "full name" is `web.dns.podman`: what a container of podman
asks for when a program looks up `web`, by its search domain; our network has that name too. "short name" is
`web`: what a container of ours (or Docker's) asks for then. The target is five times the rate for full names.

dnsperf gives the rates. Where dnsperf is what limits them, "of a full queue" says more: 200 questions wait
while the server is stopped, and its CPU time for answering them is counted. The two servers alternate; the
table replaces its section of docs/benchmarks.md. Needs dnsperf and aardvark-dns (Debian packages of these
names), and runs in network namespaces of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import datetime
import multiprocessing
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface
from multiprocessing.connection import Connection
from pathlib import Path

from linkspan.model.network import Endpoint
from linkspan.path.dns import message
from linkspan.path.dns.memory import PortMemory
from linkspan.path.dns.resolver import Resolver
from linkspan.path.dns.server import SO_RCVBUFFORCE
from linkspan.path.dns.view import SandboxView
from linkspan.path.dns.zone import Zone
from run import write

NAMES = 200
NETWORK = "a" * 64
GATEWAY, CLIENT = "10.88.0.1", "10.88.0.2"
DOMAIN = "dns.podman"
AARDVARK = ("/usr/lib/podman/aardvark-dns", "/usr/libexec/podman/aardvark-dns")
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
SERVER_CORE, CLIENT_CORE = 0, 1
LOADS = {"full name": f"name{{}}.{DOMAIN}", "short name": "name{}"}
TARGET = {"full name": " (the target's measure: 5)"}
BURST, BURSTS, SOCKETS = 200, 100, 4


@dataclass(frozen=True, slots=True)
class Running:
    """A server: its process, its address, and a process in the namespace that it is asked from."""

    pid: int
    address: str
    asked_from: int


Server = Callable[[], contextlib.AbstractContextManager[Running]]


def _serve_ours(ready: int) -> None:
    import uvloop

    async def serve(directory: str) -> None:
        zone = Zone()
        resolver = Resolver(zone, lambda _path, function: function(), PortMemory(Path(directory)))
        for number in range(NAMES):
            address = IPv4Interface(f"10.88.{1 + number // 250}.{1 + number % 250}/16")
            name = f"name{number}"
            zone.add(Endpoint(name, NETWORK, DOMAIN, name, name, "", ipv4=address, dns_names=(name,)))
        await resolver.add_sandbox("bench", SandboxView("bench", (NETWORK,)))
        os.write(ready, b".")
        await asyncio.Event().wait()

    _new_namespace()
    os.sched_setaffinity(0, {SERVER_CORE})
    with tempfile.TemporaryDirectory() as directory:
        uvloop.run(serve(directory))


@contextlib.contextmanager
def _ours() -> Iterator[Running]:
    reading, writing = os.pipe()
    process = multiprocessing.get_context("fork").Process(target=_serve_ours, args=(writing,), daemon=True)
    process.start()
    os.close(writing)
    assert os.read(reading, 1) == b"."
    os.close(reading)
    try:
        assert process.pid
        yield Running(process.pid, "127.0.0.11", process.pid)
    finally:
        process.kill()
        process.join()


@contextlib.contextmanager
def _aardvark() -> Iterator[Running]:
    program = next(path for path in AARDVARK if Path(path).exists())
    with tempfile.TemporaryDirectory() as directory:
        lines = [GATEWAY, f"{'c' * 64} {CLIENT}  client"]
        for number in range(NAMES):
            lines.append(f"{number:064x} 10.88.{1 + number // 250}.{1 + number % 250}  name{number}")
        Path(directory, "bench").write_text("\n".join(lines) + "\n")
        command = ["taskset", "-c", str(SERVER_CORE), program, "--config", directory, "--port", "53", "run"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pid = int(Path(directory, "aardvark.pid").read_text())
        time.sleep(0.3)
        try:
            with _podman_container() as container:
                yield Running(pid, GATEWAY, container)
        finally:
            os.kill(pid, signal.SIGKILL)
            _wait_gone(pid)


@contextlib.contextmanager
def _podman_container() -> Iterator[int]:
    """A process in a namespace behind a veth pair, as netavark makes it."""
    sleeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        while Path(f"/proc/{sleeper.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            time.sleep(0.01)
        inside = ["nsenter", "-t", str(sleeper.pid), "-n"]
        _ip(f"link add veth0 master podman0 up type veth peer name eth0 netns {sleeper.pid}")
        for command in ("link set lo up", f"address add {CLIENT}/16 dev eth0", "link set eth0 up"):
            _ip(command, *inside)
        _ip(f"route add default via {GATEWAY}", *inside)
        yield sleeper.pid
    finally:
        sleeper.kill()
        sleeper.wait()
        subprocess.run(["ip", "link", "delete", "veth0"], check=False, stderr=subprocess.DEVNULL)


def _podman_host() -> None:
    """The bridge and the rules of podman's default network, in the calling process's namespace."""
    _new_namespace()
    _ip("link add podman0 up type bridge")
    _ip(f"address add {GATEWAY}/16 dev podman0")
    rule = "-t nat -A POSTROUTING -s 10.88.0.0/16 ! -d 10.88.0.0/16 -j MASQUERADE"
    subprocess.run(["iptables", "-w", *rule.split()], check=True)


def _new_namespace() -> None:
    if LIBC.unshare(CLONE_NEWNET):
        raise SystemExit("needs root: the bench runs in network namespaces of its own")
    _ip("link set lo up")


def _ip(command: str, *inside: str) -> None:
    subprocess.run([*inside, "ip", *command.split()], check=True)


def _wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def _resident(pid: int) -> float:
    """Resident memory in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)


def measure(server: Server, seconds: int) -> dict[str, float]:
    """Run each load once against `server`."""
    figures: dict[str, float] = {}
    with server() as running:
        for label, pattern in LOADS.items():
            names = [pattern.format(number) for number in range(NAMES)]
            figures |= {f"{label}, {what}": value for what, value in _load(names, running, seconds).items()}
            figures[f"{label}, CPU us/query of a full queue"] = _full_queue(names, running)
        figures["resident memory, MiB"] = _resident(running.pid)
    return figures


def _load(names: list[str], running: Running, seconds: int) -> dict[str, float]:
    """Ask for all names with dnsperf, again and again."""
    with tempfile.NamedTemporaryFile("w") as load:
        load.write("".join(f"{name} A\n" for name in names))
        load.flush()
        before, own = _cpu_seconds(running.pid), os.times()
        command = ["nsenter", "-t", str(running.asked_from), "-n", "taskset", "-c", str(CLIENT_CORE)]
        command += ["dnsperf", "-s", running.address, "-d", load.name]
        command += ["-c", str(SOCKETS), "-q", "50", "-l", str(seconds)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu, after = _cpu_seconds(running.pid) - before, os.times()
    answered = re.search(r"Queries completed:\s+(\d+)", output)
    rate = re.search(r"Queries per second:\s+([\d.]+)", output)
    good = re.search(r"NOERROR (\d+) \(([\d.]+)%\)", output)
    assert answered and rate and good and float(good[2]) > 99, output
    client = after.children_user + after.children_system - own.children_user - own.children_system
    return {
        "queries/s": float(rate[1]),
        "CPU us/query": cpu * 1e6 / int(answered[1]),
        "CPU us/query of dnsperf": client * 1e6 / int(answered[1]),
    }


def _full_queue(names: list[str], running: Running) -> float:
    """CPU time in us per query when the questions wait already; the client runs in a process of its own."""
    reading, writing = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("fork")
    client = context.Process(target=_ask_in_bursts, args=(names, running, writing), daemon=True)
    before = _cpu_seconds(running.pid)
    client.start()
    writing.close()
    answered = int(reading.recv())
    client.join()
    time.sleep(0.05)
    assert answered > 0.99 * BURST * BURSTS, f"{answered} answers to {BURST * BURSTS} questions"
    return (_cpu_seconds(running.pid) - before) * 1e6 / answered


def _ask_in_bursts(names: list[str], running: Running, result: Connection) -> None:
    os.sched_setaffinity(0, {CLIENT_CORE})
    with open(f"/proc/{running.asked_from}/ns/net") as namespace:
        assert LIBC.setns(namespace.fileno(), CLONE_NEWNET) == 0
    clients = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(SOCKETS)]
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 21)
        client.connect((running.address, 53))
        client.settimeout(1)
    answered = 0
    for _ in range(BURSTS):
        os.kill(running.pid, signal.SIGSTOP)
        time.sleep(0.002)
        for number in range(BURST):
            clients[number % SOCKETS].send(_query(names[number % NAMES], number))
        os.kill(running.pid, signal.SIGCONT)
        with contextlib.suppress(TimeoutError):
            for number in range(BURST):
                answered += clients[number % SOCKETS].recv(512)[3] & 0x0F == message.NOERROR
    result.send(answered)


def _query(name: str, identity: int) -> bytes:
    header = message.HEADER.pack(identity, 0x0100, 1, 0, 0, 0)
    return header + message.encoded_name(name) + b"\0\1\0\1"


def _cpu_seconds(pid: int) -> float:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--no-write", action="store_true", help="print only, leave docs/benchmarks.md alone")
    options = parser.parse_args()
    if not shutil.which("dnsperf"):
        raise SystemExit("needs dnsperf (Debian package dnsperf)")
    _podman_host()
    servers: dict[str, Server] = {"linkspan": _ours}
    if any(Path(path).exists() for path in AARDVARK):
        servers["aardvark-dns"] = _aardvark
    rounds, seconds = (3, 1) if options.quick else (7, 3)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            results[name].append(measure(server, seconds))
    report = _report(results)
    print(report)
    if "aardvark-dns" not in results:
        print("aardvark-dns is not installed: nothing to compare with")
    elif not options.no_write:
        flags = " --quick" if options.quick else ""
        measured = f"Measured {_circumstances(rounds, seconds)} Command: `bench/dns.py{flags}`."
        write({"dns": f"## Names\n\n{report}\n\n{measured}"})


def _report(results: dict[str, list[dict[str, float]]]) -> str:
    """Return the table, and how many times as fast ours answers."""
    names = list(results)
    lines = [
        f"The embedded resolver on one core, asked for the names of {NAMES} containers from the other: the "
        "same questions to both, by the way their containers ask. dnsperf has 50 questions open; a full "
        f"queue has {BURST}. Medians (lowest to highest).",
        "",
        f"| what | {' | '.join(names)} | ratio |",
        f"|---|{'---|' * len(names)}---|",
    ]
    medians: dict[str, list[float]] = {}
    for label in results[names[0]][0]:
        rows = [[figures[label] for figures in results[name]] for name in names]
        medians[label] = [statistics.median(row) for row in rows]
        cells = [
            f"{m:,.1f} ({min(r):,.1f} to {max(r):,.1f})" for m, r in zip(medians[label], rows, strict=True)
        ]
        ratio = f"{medians[label][0] / medians[label][1]:.2f}" if len(names) > 1 else ""
        lines.append(f"| {label} | {' | '.join(cells)} | {ratio} |")
    if len(names) > 1:
        lines += ["", *_comparison(medians, results)]
    return "\n".join(lines)


def _comparison(medians: dict[str, list[float]], results: dict[str, list[dict[str, float]]]) -> list[str]:
    """How many times as fast, by each measure. The best rounds are those that nothing else disturbed."""
    lines = []
    for load in LOADS:
        ours, theirs = (max(round_[f"{load}, queries/s"] for round_ in rounds) for rounds in results.values())
        rate, cpu, queue, client = (
            medians[f"{load}, {what}"]
            for what in (
                "queries/s",
                "CPU us/query",
                "CPU us/query of a full queue",
                "CPU us/query of dnsperf",
            )
        )
        lines.append(
            f"- {load}{TARGET.get(load, '')}: **{rate[0] / rate[1]:.1f} times** aardvark-dns' rate with "
            f"dnsperf, best round against best round **{ours / theirs:.1f} times** (dnsperf needs "
            f"{client[0]:.1f} us for a question: {1e6 / client[0]:,.0f} a second at most), "
            f"{cpu[1] / cpu[0]:.1f} times by CPU time; **{queue[1] / queue[0]:.1f} times** by CPU time "
            "when the queue is full "
            f"({1e6 / queue[0]:,.0f} against {1e6 / queue[1]:,.0f} answers per second of CPU)"
        )
    return lines


def _circumstances(rounds: int, seconds: int) -> str:
    package = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "aardvark-dns"], capture_output=True, text=True, check=False
    ).stdout
    return (
        f"{datetime.datetime.now(datetime.UTC).date().isoformat()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}, Linux {platform.release()}, Python {platform.python_version()}; "
        f"aardvark-dns {package}; {rounds} rounds of {seconds} s, alternating."
    )


if __name__ == "__main__":
    main()
