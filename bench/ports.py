"""Measure what publishing ports costs: rules, a container's start and stop, and new connections.

    sudo .venv/bin/python bench/ports.py [rules] [start] [rate] [--backend NAME] [--rounds N] [--docker]

- rules: the firewall alone: adding and removing ports, with and without 10,000 others there.
- start: the daemon's API: start and stop of a container with 1, 1,000 and 10,000 ports given one by one, and
  of one with 10 ports when 10,000 are published elsewhere.
- rate: connections per second from another machine to a published port that was added last, with 1, 1,000 and
  10,000 ports published, and with 1,000 other containers.

"One by one" ports are every second one, so that no two of them make a run; "a run" are consecutive ones.
Everything happens in a lab; nothing is left behind. --docker measures Debian's dockerd as well (start, rate;
1,000 ports take it minutes, 10,000 are left out).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import platform
import signal
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from docker_peer import DockerPeer
from linkspan.blueprint.facts import Fact, Fence, Masquerade, Publish, SkipOwnBridge
from linkspan.firewall.iptables import IptablesFirewall
from linkspan.firewall.nftables import NftablesFirewall
from linkspan.lab import Lab
from report import Target

RULE_BACKENDS = ("nftables", "iptables-nft", "iptables-legacy")
ENGINE_BACKENDS = ("nftables", "iptables")
SUBNET = ip_network("172.17.0.0/16")
ANY, WEB, OTHER = ip_address("0.0.0.0"), ip_address("172.17.0.2"), ip_address("172.17.0.3")
CROWD = 10_000
FIRST, CROWD_FIRST, RATE_PORT = 40_001, 10_000, 9_000
HOST = "10.0.0.5"
ALONE = contextlib.nullcontext()

SERVER = """
import socket
listening = socket.create_server(("", 80), backlog=4096)
while True:
    listening.accept()[0].close()
"""
CLIENT = """
import socket, struct, sys, time
address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
linger = struct.pack("ii", 1, 0)
count, end = 0, time.perf_counter() + seconds
while time.perf_counter() < end:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.connect((address, port))
    count += 1
print(count / seconds)
"""


def timed(work: Callable[..., object], *arguments: object) -> float:
    """Milliseconds that `work` takes."""
    begun = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - begun) * 1000


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, first and last tenth, as cells of a table."""
    ordered = sorted(values)
    tenth = len(ordered) // 10
    figures = (statistics.median(ordered), ordered[tenth], ordered[-1 - tenth])
    return " | ".join(f"{figure:.{digits}f}" for figure in figures)


def heading(*titles: str) -> None:
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|")


# --- rules -----------------------------------------------------------------------------------------------


def singles(count: int, first: int, endpoint: Any = WEB) -> list[Fact]:
    return [
        Publish("tcp", ANY, first + 2 * number, endpoint, 20_000 + 2 * number, "docker0")
        for number in range(count)
    ]


def run_of(count: int, first: int, shift: int = 0) -> list[Fact]:
    return [Publish("tcp", ANY, first, WEB, first + shift, "docker0", count=count)]


CHANGES: dict[str, list[Fact]] = {
    "1 port": singles(1, FIRST),
    "10 ports": singles(10, FIRST),
    "1,000 ports one by one": singles(1000, FIRST),
    "1,000 ports, a run": run_of(1000, FIRST),
    "1,000 ports, a shifted run": run_of(1000, FIRST, shift=1000),
}


def rules_inside(backend: str, rounds: int) -> None:
    """Print, as JSON, {change: {"add": [ms], "remove": [ms]}}; run in the lab's host."""
    firewall = NftablesFirewall() if backend == "nftables" else IptablesFirewall(backend)
    firewall.start([Fence("docker0", SUBNET), Masquerade(SUBNET, "docker0"), SkipOwnBridge("docker0")])
    found = {}
    for crowded in (False, True):
        if crowded:
            firewall.add(singles(CROWD, CROWD_FIRST, OTHER))
        for name, facts in CHANGES.items():
            if crowded and backend != "nftables" and len(facts) > 100:
                continue  # iptables-nft needs seconds for each
            added, removed = [], []
            for _ in range(rounds):
                added.append(timed(firewall.add, facts))
                removed.append(timed(firewall.remove, facts))
            title = f"{name}{' beside 10,000' if crowded else ''}"
            found[title] = {"add": added, "remove": removed}
    print(json.dumps(found))


def rules(backends: Sequence[str], rounds: int) -> None:
    print("\n### Rules: the firewall alone (ms)\n")
    heading("change", "backend", "add: median", "p10", "p90", "remove: median", "p10", "p90")
    for backend in backends:
        with Lab() as lab:
            argv = [sys.executable, __file__, "--inside", backend, "--rounds", str(rounds)]
            found = json.loads(lab.run("host", *argv, timeout=600).out)
        for title, figures in found.items():
            print(
                f"| {title} | {backend} | {spread(figures['add'])} | {spread(figures['remove'])} |",
                flush=True,
            )


# --- the engine ------------------------------------------------------------------------------------------


class Client:
    """One kept connection to the API, so that no client's start-up is measured."""

    def __init__(self, lab: Lab) -> None:
        self._connection = http.client.HTTPConnection("lab")
        self._connection.sock = socket.socket(socket.AF_UNIX)
        self._connection.sock.connect(str(lab.socket))

    def call(self, method: str, path: str, body: object = None) -> Any:
        text = json.dumps(body) if body is not None else None
        self._connection.request(method, f"/v1.41{path}", text, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        document = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {document.decode()}")
        return json.loads(document) if document else None

    def create(self, name: str, ports: dict[int, int]) -> None:
        """Create a container that publishes `ports` (host port to container port), one by one.

        On every IPv4 address: 10,000 ports of both families need more sockets than a process may have here.
        """
        bindings = {
            f"{inner}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(outer)}] for outer, inner in ports.items()
        }
        body = {
            "Image": "busybox",
            "Cmd": ["sleep", "100000"],
            "ExposedPorts": {port: {} for port in bindings},
            "HostConfig": {"PortBindings": bindings},
        }
        self.call("POST", f"/containers/create?name={name}", body)

    def start(self, name: str) -> None:
        self.call("POST", f"/containers/{name}/start")

    def kill(self, name: str) -> None:
        """End it and wait until all that it published is gone."""
        self.call("POST", f"/containers/{name}/kill")
        self.call("POST", f"/containers/{name}/wait")

    def remove(self, name: str) -> None:
        self.call("DELETE", f"/containers/{name}?force=1")

    def sandbox(self, name: str) -> str:
        return str(self.call("GET", f"/containers/{name}/json")["NetworkSettings"]["SandboxKey"])


def every_second(count: int, first: int) -> dict[int, int]:
    return {first + 2 * number: first + 2 * number for number in range(count)}


def in_a_row(count: int, first: int) -> dict[int, int]:
    return {first + number: first + number for number in range(count)}


@contextlib.contextmanager
def engine(backend: str) -> Iterator[tuple[Lab, Client]]:
    """A lab with our daemon, or with dockerd, and a client of it."""
    if backend == "dockerd":
        with Lab() as ours, DockerPeer() as peer:
            ours.daemon()
            archive = str(ours.directory / "busybox.tar")
            ours.docker("save", "-o", archive, "busybox")
            peer.lab.docker("load", "-i", archive)
            yield peer.lab, Client(peer.lab)
    else:
        with Lab() as lab:
            lab.daemon(f"--firewall-backend={backend}")
            yield lab, Client(lab)


def start_and_stop(
    client: Client, name: str, ports: dict[int, int], rounds: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of start and of kill-and-wait."""
    client.create(name, ports)
    started, killed = [], []
    for _ in range(rounds):
        started.append(timed(client.start, name))
        killed.append(timed(client.kill, name))
    client.remove(name)
    return started, killed


def start(backends: Sequence[str], rounds: int) -> None:
    print("\n### A container's start and stop by the API (ms)\n")
    heading("ports", "engine", "start: median", "p10", "p90", "stop: median", "p10", "p90")
    comments: list[str] = []
    for backend in backends:
        slow = backend == "dockerd"
        cases = {
            "1": every_second(1, FIRST),
            "10": every_second(10, FIRST),
            "1,000 in a row": in_a_row(1000, 20_001),
            "1,000 one by one": every_second(1000, 20_001),
        }
        with engine(backend) as (_, client):
            client.create("warm", {})
            for _ in range(3):
                client.start("warm")
                client.kill("warm")
            found = {
                title: row(title, backend, client, ports, 1 if slow and len(ports) > 100 else rounds)
                for title, ports in cases.items()
            }
            if slow:
                continue
            crowd = every_second(CROWD, CROWD_FIRST)
            found["10,000 one by one"] = row("10,000 one by one", backend, client, crowd, min(rounds, 5))
            client.create("crowd", crowd)
            client.start("crowd")
            found["10 beside 10,000"] = row(
                "10 beside 10,000", backend, client, every_second(10, FIRST), rounds
            )
        comments += start_targets(backend, found)
    print("\n".join(comments))


def start_targets(backend: str, found: dict[str, tuple[float, float]]) -> list[str]:
    """Return what was to be reached, from the medians of start and stop."""
    comments = []
    limits = {"nftables": (20.0, 250.0), "iptables": (150.0, 0.0)}[backend]
    for number, title in enumerate(("start", "stop")):
        for ports, limit in zip(("1,000 one by one", "10,000 one by one"), limits, strict=True):
            if limit:
                more = found[ports][number] - found["1"][number]
                text = f"{backend}: {title} with {ports}, ms more than one"
                comments.append(Target(text, more, "at most", limit).comment())
    if backend == "nftables":
        beside = found["10 beside 10,000"][0] / found["10"][0]
        text = f"{backend}: start with 10 ports beside 10,000, of the start without them"
        comments.append(Target(text, beside, "at most", 1.2).comment())
    return comments


def row(title: str, backend: str, client: Client, ports: dict[int, int], rounds: int) -> tuple[float, float]:
    """Measure and print one row; returns the medians of start and of stop."""
    started, stopped = start_and_stop(client, "measured", ports, rounds)
    print(f"| {title} | {backend} | {spread(started, 1)} | {spread(stopped, 1)} |", flush=True)
    return statistics.median(started), statistics.median(stopped)


# --- connections -----------------------------------------------------------------------------------------


def rate(backends: Sequence[str], rounds: int) -> None:
    print("\n### New connections per second from the LAN, the probed port added last\n")
    heading("published besides", "engine", "median", "p10", "p90", "of an empty host's")
    comments: list[str] = []
    for backend in backends:
        counts = (0, 1000) if backend == "dockerd" else (0, 1000, CROWD)
        with engine(backend) as (lab, client):
            lab.run("host", "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_close=1")
            client.create("probed", {RATE_PORT: 80})
            found: dict[int, list[float]] = {count: [] for count in counts}
            crowded: list[float] = []
            for count in counts:
                if count:
                    client.create(f"crowd{count}", every_second(count, CROWD_FIRST))
            for _ in range(rounds):
                for count in counts:
                    found[count] += [probe(lab, client, count)]
                if backend != "dockerd":
                    crowded.append(probe(lab, client, 0, endpoints(lab, backend)))
        base = statistics.median(found[0])
        shares: dict[str, float] = {}
        for count, figures in found.items():
            share = statistics.median(figures) / base
            if count:
                shares[f"{count:,} ports"] = share
            print(f"| {count:,} ports | {backend} | {spread(figures, 0)} | {share:.2f} |", flush=True)
        if crowded:
            share = statistics.median(crowded) / base
            shares["1,000 containers"] = share
            print(f"| 1,000 containers | {backend} | {spread(crowded, 0)} | {share:.2f} |", flush=True)
        if backend == "nftables":
            for besides, share in shares.items():
                text = f"connections/s beside {besides}, of an empty host's"
                comments.append(Target(text, share, "at least", 0.9).comment())
    print("\n".join(comments))


@contextlib.contextmanager
def endpoints(lab: Lab, backend: str) -> Iterator[None]:
    """What the firewall holds for 1,000 containers without ports, written by hand.

    The daemon stands still meanwhile: it would take away what is not its own.
    """
    daemon = lab._daemon
    assert daemon
    stat = Path(f"/proc/{daemon.pid}/stat").read_text()
    parent = int(stat.rpartition(")")[2].split()[1])  # nsenter, which stops with its child
    daemon.send(signal.SIGSTOP)
    try:
        yield from written(lab, backend)
    finally:
        daemon.send(signal.SIGCONT)
        os.kill(parent, signal.SIGCONT)


def written(lab: Lab, backend: str) -> Iterator[None]:
    """Write the elements or rules, and take them away when asked for more."""
    addresses = [f"172.17.{100 + number // 250}.{number % 250 + 1}" for number in range(1000)]
    sets = {"guarded": addresses, "ways": [f"{address} . docker0" for address in addresses]}
    for adding in (True, False):
        if backend == "nftables":
            verb = "add" if adding else "delete"
            for name, members in sets.items():
                text = f"{verb} element ip linkspan {name} {{ {', '.join(members)} }}\n"
                lab.run("host", "nft", "-f", "-", input=text)
        else:
            verb = "-I" if adding else "-D"
            rules = "".join(f"{verb} PREROUTING -d {each} ! -i docker0 -j DROP\n" for each in addresses)
            lab.run("host", "iptables-restore", "--noflush", input=f"*raw\n{rules}COMMIT\n")
        if adding:
            yield


def probe(
    lab: Lab, client: Client, count: int, beside: contextlib.AbstractContextManager[None] = ALONE
) -> float:
    """Connections per second with `count` other ports published before, and while `beside` is there."""
    if count:
        client.start(f"crowd{count}")
    client.start("probed")
    server = lab.start("host", "nsenter", f"--net={client.sandbox('probed')}", sys.executable, "-c", SERVER)
    time.sleep(0.3)
    with beside:
        figure = float(lab.run("lan", sys.executable, "-c", CLIENT, HOST, str(RATE_PORT), "1.5").out)
    server.terminate()
    client.kill("probed")
    if count:
        client.kill(f"crowd{count}")
    return figure


PARTS = {"rules": rules, "start": start, "rate": rate}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to measure (default: all)")
    parser.add_argument("--backend", action="append", help="nftables, iptables, … (default: all)")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--docker", action="store_true", help="measure Debian's dockerd as well")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        rules_inside(options.inside, options.rounds)
        return 0
    load = os.getloadavg()[0]
    print(f"Linux {platform.release()}, {os.cpu_count()} cores, load {load:.1f}, {options.rounds} rounds")
    for part in options.parts or PARTS:
        backends = options.backend or (RULE_BACKENDS if part == "rules" else ENGINE_BACKENDS)
        extra = ("dockerd",) if options.docker and part != "rules" else ()
        PARTS[part]([*backends, *extra], options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
