"""Measure the userland proxy beside docker-proxy on this machine, alternating, in a namespace of its own.

    sudo .venv/bin/python bench/proxy.py [--quick] [--docker-proxy PATH]

Single and four streams (Gbit/s, CPU ms per GB), connections per second (and CPU per connection), UDP requests
per second, and memory for 1,000 ports. Without docker-proxy only ours is measured, and the output says so.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import multiprocessing
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from docker_peer import UNPACKED
from linkspan.blueprint.listeners import Listener
from linkspan.path.proxy.client import ProxyClient
from report import Target

HOST = "127.0.0.1"
PUBLISHED, SINK, ECHO = 20000, 9000, 9001
Running = contextlib.AbstractContextManager[list[int]]  # the pids of the proxy while it runs
LIBC = ctypes.CDLL(None, use_errno=True)
SPAWN = multiprocessing.get_context("fork")


def _sink(listening: socket.socket) -> None:
    """Throw away what comes, without copying it (MSG_TRUNC), and answer one byte at the end."""

    def drain(connection: socket.socket) -> None:
        while _discard(connection):
            continue
        connection.sendall(b".")
        connection.close()

    while True:
        connection, _ = listening.accept()
        threading.Thread(target=drain, args=(connection,), daemon=True).start()


def _discard(connection: socket.socket) -> int:
    return int(LIBC.recv(connection.fileno(), None, ctypes.c_size_t(1 << 24), socket.MSG_TRUNC))


def _echo(listening: socket.socket) -> None:
    """One short answer for each connection."""
    while True:
        connection, _ = listening.accept()
        connection.recv(100)
        connection.sendall(b".")
        connection.close()


def _udp_echo(served: socket.socket) -> None:
    buffer = bytearray(2048)
    while True:
        size, peer = served.recvfrom_into(buffer)
        served.sendto(buffer[:size], peer)


@contextlib.contextmanager
def _process(target: Callable[..., None], *arguments: object) -> Iterator[None]:
    process = SPAWN.Process(target=target, args=arguments, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _cpu_seconds(pid: int) -> float:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def _pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no Pss")


@contextlib.contextmanager
def _ours(protocol: str, target: int, count: int = 1) -> Iterator[list[int]]:
    with tempfile.TemporaryDirectory() as directory:
        client = ProxyClient(Path(directory) / "proxy.sock")
        listener = Listener(protocol, ip_address(HOST), PUBLISHED, ip_address(HOST), target, count)
        client.serve(client.reserve([listener]))
        try:
            yield [client.pid()]
        finally:
            client.shutdown()


def _docker(binary: str) -> Callable[..., Running]:
    @contextlib.contextmanager
    def run(protocol: str, target: int, count: int = 1) -> Iterator[list[int]]:
        started = [_docker_proxy(binary, protocol, PUBLISHED + n, target + n) for n in range(count)]
        try:
            yield [process.pid for process in started]
        finally:
            for process in started:
                process.send_signal(signal.SIGKILL)
                process.wait()

    return run


def _docker_proxy(binary: str, protocol: str, port: int, target: int) -> subprocess.Popen[bytes]:
    """Start one docker-proxy and wait until it says on descriptor 3 that it listens."""
    reading, writing = os.pipe()
    arguments = (
        f"-proto {protocol} -host-ip {HOST} -host-port {port} -container-ip {HOST} -container-port {target}"
    )
    process = subprocess.Popen(["bash", "-c", f"exec {binary} {arguments} 3>&{writing}"], pass_fds=[writing])
    os.close(writing)
    with os.fdopen(reading, "rb") as status:
        answer = status.read(1)
    assert answer == b"0", "docker-proxy did not start"
    return process


def _stream(seconds: float) -> int:
    block = bytes(1 << 20)
    sent = 0
    with socket.create_connection((HOST, PUBLISHED)) as client:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            client.sendall(block)
            sent += len(block)
        client.shutdown(socket.SHUT_WR)
        client.recv(1)
    return sent


def throughput(pids: list[int], streams: int, seconds: float) -> dict[str, float]:
    before, started = _cpu_seconds(pids[0]), time.monotonic()
    with SPAWN.Pool(streams) as pool:
        total = sum(pool.map(_stream, [seconds] * streams))
    elapsed = time.monotonic() - started
    cpu = _cpu_seconds(pids[0]) - before
    label = f"{streams} stream{'s' * (streams > 1)}"
    return {f"{label}, Gbit/s": total * 8e-9 / elapsed, f"{label}, CPU ms per GB": cpu * 1e12 / total}


def connections(pids: list[int], seconds: float) -> dict[str, float]:
    before, end, done = _cpu_seconds(pids[0]), time.monotonic() + seconds, 0
    while time.monotonic() < end and done < 12000:  # ports in TIME_WAIT are finite
        with socket.create_connection((HOST, PUBLISHED)) as client:
            client.sendall(b"?")
            client.recv(1)
        done += 1
    elapsed = time.monotonic() - (end - seconds)
    cpu = _cpu_seconds(pids[0]) - before
    return {"connections/s": done / elapsed, "CPU us per connection": cpu * 1e6 / done}


def datagrams(pids: list[int], seconds: float) -> dict[str, float]:
    """Requests and answers of 100 bytes, 32 under way."""
    before, done = _cpu_seconds(pids[0]), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        client.connect((HOST, PUBLISHED))
        for _ in range(32):
            client.send(bytes(100))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                client.recv(200)
                done += 1
            client.send(bytes(100))
    cpu = _cpu_seconds(pids[0]) - before
    return {"UDP requests/s": done / seconds, "CPU us per UDP request": cpu * 1e6 / max(done, 1)}


def measure(proxy: Callable[..., Running], seconds: float) -> dict[str, float]:
    """Run each load once through `proxy`."""
    figures: dict[str, float] = {}
    with proxy("tcp", SINK) as pids:
        figures |= throughput(pids, 1, seconds)
        figures |= throughput(pids, 4, seconds)
    with proxy("tcp", ECHO) as pids:
        figures |= connections(pids, seconds)
    with proxy("udp", ECHO) as pids:
        figures |= datagrams(pids, seconds)
    return figures


def memory(proxy: Callable[..., Running], ports: int) -> float:
    """PSS in MiB of all processes that hold `ports` ports."""
    with proxy("tcp", SINK, ports) as pids:
        time.sleep(0.3)
        return sum(map(_pss, pids))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--docker-proxy", default=_found(), help="path of docker-proxy (Debian: docker.io)")
    options = parser.parse_args()
    if LIBC.unshare(0x40000000):
        raise SystemExit("needs root: the bench runs in a network namespace of its own")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    proxies: dict[str, Callable[..., Running]] = {"linkspan-proxy": _ours}
    if options.docker_proxy:
        proxies["docker-proxy"] = _docker(options.docker_proxy)
    rounds, seconds = (3, 1.0) if options.quick else (7, 3.0)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in proxies}
    sink, echo = (socket.create_server((HOST, port), backlog=4096) for port in (SINK, ECHO))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((HOST, ECHO))
    with _process(_sink, sink), _process(_echo, echo), _process(_udp_echo, udp):
        for _ in range(rounds):
            for name, proxy in proxies.items():
                results[name].append(measure(proxy, seconds))
    _report(
        results,
        {name: memory(proxy, 1000 if name == "linkspan-proxy" else 100) for name, proxy in proxies.items()},
    )


def _found() -> str | None:
    return shutil.which(
        "docker-proxy", path=f"{UNPACKED}/usr/sbin:/usr/bin:/usr/sbin:/usr/libexec/docker:/usr/local/bin"
    )


def _report(results: dict[str, list[dict[str, float]]], pss: dict[str, float]) -> None:
    """Print the table, and the targets where there is something to compare with."""
    names = list(results)
    print("On loopback, alternating; medians (lowest to highest).\n")
    print(f"| what | {' | '.join(names)} | ratio |\n|---|{'---|' * len(names)}---|")
    targets = []
    for label in results[names[0]][0]:
        rows = [[figures[label] for figures in results[name]] for name in names]
        medians = [statistics.median(row) for row in rows]
        cells = [f"{m:,.1f} ({min(r):,.1f} to {max(r):,.1f})" for m, r in zip(medians, rows, strict=True)]
        ratio = medians[0] / medians[1] if len(medians) > 1 else 0.0
        print(f"| {label} | {' | '.join(cells)} | {f'{ratio:.2f}' if ratio else ''} |")
        sense: Literal["at most", "at least"] = "at most" if label.find("CPU") >= 0 else "at least"
        targets.append(Target(f"proxy: {label}, of docker-proxy's", ratio, sense, 1))
    print(f"\n- memory for 1,000 ports: {pss['linkspan-proxy']:.1f} MiB (PSS)", end="")
    if "docker-proxy" not in pss:
        print("; docker-proxy is not there (Debian package docker.io): nothing to compare with")
        return
    print(f"; docker-proxy {pss['docker-proxy']:.1f} MiB for 100 ports, one process each")
    share = pss["linkspan-proxy"] / (10 * pss["docker-proxy"])
    targets.append(
        Target("proxy: memory for 1,000 ports, of ten times docker-proxy's for 100", share, "at most", 0.05)
    )
    for target in targets:
        print(target.comment())


if __name__ == "__main__":
    main()
