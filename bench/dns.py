"""Measure the embedded resolver beside aardvark-dns with dnsperf: 200 names, each server on one core.

    sudo .venv/bin/python bench/dns.py [--quick] [--no-write]

The two alternate; the table replaces its section of docs/benchmarks.md. Needs dnsperf and aardvark-dns
(Debian packages of these names), and runs in a network namespace of its own. Ours is asked through the
sandbox's real way, 127.0.0.11:53 and its NAT rules; aardvark-dns at its own address. "short name" is `web`,
what a container of ours asks for; "full name" is `web.NETWORK` (ours) and `web.dns.podman` (what a container
of podman asks for, by its search domain).
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
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_interface
from pathlib import Path

from linkspan.model.network import Endpoint
from linkspan.path.dns.resolver import Resolver
from linkspan.path.dns.view import SandboxView
from linkspan.path.dns.zone import Zone
from run import write

NAMES = 200
NETWORK = "a" * 64
GATEWAY, CLIENT = "10.88.0.1", "10.88.0.2"
AARDVARK = ("/usr/lib/podman/aardvark-dns", "/usr/libexec/podman/aardvark-dns")
Server = Callable[[], contextlib.AbstractContextManager[tuple[int, str]]]  # its pid and address while it runs
LIBC = ctypes.CDLL(None, use_errno=True)
SERVER_CORE, CLIENT_CORE = "0", "1"


def _serve_ours(ready: int) -> None:
    import uvloop

    async def serve() -> None:
        zone = Zone()
        resolver = Resolver(zone, lambda _path, function: function())
        for number in range(NAMES):
            address = ip_interface(f"10.88.{1 + number // 250}.{1 + number % 250}/16")
            name = f"name{number}"
            zone.add(Endpoint(name, NETWORK, "bench", name, name, "", ipv4=address, dns_names=(name,)))
        await resolver.add_sandbox("bench", SandboxView("", (NETWORK,)))
        os.write(ready, b".")
        await asyncio.Event().wait()

    os.sched_setaffinity(0, {int(SERVER_CORE)})
    uvloop.run(serve())


@contextlib.contextmanager
def _ours() -> Iterator[tuple[int, str]]:
    reading, writing = os.pipe()
    process = multiprocessing.get_context("fork").Process(target=_serve_ours, args=(writing,), daemon=True)
    process.start()
    os.close(writing)
    assert os.read(reading, 1) == b"."
    os.close(reading)
    try:
        yield process.pid or 0, "127.0.0.11"
    finally:
        process.kill()
        process.join()


@contextlib.contextmanager
def _aardvark() -> Iterator[tuple[int, str]]:
    program = next(path for path in AARDVARK if Path(path).exists())
    with tempfile.TemporaryDirectory() as directory:
        lines = [GATEWAY, f"{'c' * 64} {CLIENT}  client"]
        for number in range(NAMES):
            lines.append(f"{number:064x} 10.88.{1 + number // 250}.{1 + number % 250}  name{number}")
        Path(directory, "bench").write_text("\n".join(lines) + "\n")
        command = ["taskset", "-c", SERVER_CORE, program, "--config", directory, "--port", "53", "run"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pid = int(Path(directory, "aardvark.pid").read_text())
        time.sleep(0.3)
        try:
            yield pid, GATEWAY
        finally:
            os.kill(pid, signal.SIGKILL)
            _wait_gone(pid)


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
    with server() as (pid, address):
        domain = "dns.podman" if address == GATEWAY else "bench"
        figures |= _load("short name", "name{}", pid, address, seconds)
        figures |= _load("full name", f"name{{}}.{domain}", pid, address, seconds)
        figures["resident memory, MiB"] = _resident(pid)
    return figures


def _load(label: str, pattern: str, pid: int, address: str, seconds: int) -> dict[str, float]:
    """Ask for all names in the form `pattern` with dnsperf."""
    with tempfile.NamedTemporaryFile("w") as load:
        load.write("".join(f"{pattern.format(number)} A\n" for number in range(NAMES)))
        load.flush()
        before = _cpu_seconds(pid)
        command = ["taskset", "-c", CLIENT_CORE, "dnsperf", "-s", address, "-d", load.name]
        command += ["-c", "4", "-q", "50", "-l", str(seconds)]
        command += ["-a", CLIENT] if address == GATEWAY else []  # aardvark-dns serves those it knows
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu = _cpu_seconds(pid) - before
    answered = re.search(r"Queries completed:\s+(\d+)", output)
    rate = re.search(r"Queries per second:\s+([\d.]+)", output)
    good = re.search(r"NOERROR (\d+) \(([\d.]+)%\)", output)
    assert answered and rate and good and float(good[2]) > 99, output
    return {f"{label}, queries/s": float(rate[1]), f"{label}, CPU us/query": cpu * 1e6 / int(answered[1])}


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
    if LIBC.unshare(0x40000000):
        raise SystemExit("needs root: the bench runs in a network namespace of its own")
    for command in ("link set lo up", f"address add {GATEWAY}/16 dev lo", f"address add {CLIENT}/16 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)
    servers = {"linkspan": _ours}
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
    """Return the table, and how often a container's question for `web` is answered in the same time."""
    names = list(results)
    lines = [
        f"The embedded resolver on one core, asked for the names of {NAMES} containers by dnsperf on the "
        "other: 200 questions at a time. Medians (lowest to highest).",
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
        lines += ["", *_comparison(medians)]
    return "\n".join(lines)


def _comparison(medians: dict[str, list[float]]) -> list[str]:
    """What a container causes that looks up `web`: podman's asks for the full name, by its search domain."""
    rate = medians["short name, queries/s"][0] / medians["full name, queries/s"][1]
    cpu = medians["full name, CPU us/query"][1] / medians["short name, CPU us/query"][0]
    return [
        f"- a container looks up `web`: **{rate:.1f} times** aardvark-dns' rate with dnsperf as the limit, "
        f"and **{cpu:.1f} times** as many questions per second of CPU (containers of podman ask for "
        "`web.dns.podman`, by their search domain)"
    ]


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
