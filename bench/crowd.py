"""Measure a host with many containers: attach, daemon start, memory and idle CPU.

    sudo .venv/bin/python bench/crowd.py [--containers N] [--rounds N] [--no-docker]

Prints a table with the medians (first and last tenth), and what dockerd needs for as many containers, in
memory and in processes. Everything happens in throwaway hosts; nothing is left behind.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from docker_peer import DockerPeer
from linkspan.lab import Lab
from ports import Client, spread, timed
from report import Target

OURS = {"linkspand", "linkspan-proxy", "conmon", "iptables-restore", "ip6tables-restore"}
THEIRS = {"dockerd", "containerd", "containerd-shim", "docker-proxy"}
IDLE_SECONDS = 10.0
THREADS = 4


def fill(lab: Lab, count: int) -> None:
    """Start `count` containers, each with a published port."""

    def start(number: int) -> None:
        client = Client(lab)
        client.create(f"crowd{number}", {20_000 + number: 80})
        client.start(f"crowd{number}")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(start, range(count)))


def engine_processes(lab: Lab, names: set[str]) -> list[int]:
    """The processes of an engine in the lab's host; the kernel cuts names to 15 characters."""
    namespace = Path(f"/proc/{lab.place('host').pid}/ns/pid").readlink()
    short = {name[:15] for name in names}
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name = (entry / "comm").read_text().strip()
            if name in short and (entry / "ns/pid").readlink() == namespace:
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def memory(lab: Lab, names: set[str]) -> tuple[float, int]:
    """MiB that the engine's processes have (PSS: shared pages are shared out), and how many they are."""
    total, processes = 0, engine_processes(lab, names)
    for pid in processes:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024, len(processes)


def idle_cpu(lab: Lab, name: str) -> float:
    """Percent of one core that the daemon uses while nothing happens."""
    (pid,) = engine_processes(lab, {name})

    def used() -> int:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

    before = used()
    time.sleep(IDLE_SECONDS)
    return (used() - before) / IDLE_SECONDS / 1e7


def attach(client: Client, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of connect and of disconnect."""
    body = {"Container": "target"}
    connects, disconnects = [], []
    for number in range(rounds + 2):
        connected = timed(client.call, "POST", "/networks/front/connect", body)
        disconnected = timed(client.call, "POST", "/networks/front/disconnect", body)
        if number >= 2:
            connects.append(connected)
            disconnects.append(disconnected)
    return connects, disconnects


def restart(lab: Lab, rounds: int) -> list[float]:
    """Milliseconds from the daemon's start to its first answer, after a crash."""
    found = []
    for _ in range(rounds):
        lab.kill_daemon()
        found.append(timed(lab.daemon))
    return found


def measure_ours(count: int, rounds: int) -> float:
    """Print the table of ours; returns the memory of the engine with all containers."""
    with Lab() as lab:
        lab.daemon()
        lab.docker("network", "create", "front")
        lab.docker("run", "-d", "--name", "target", "busybox", "sleep", "100000")
        alone = attach(Client(lab), rounds)
        empty_start = restart(lab, 3)
        fill(lab, count)
        crowded = attach(Client(lab), rounds)
        held, processes = memory(lab, OURS)
        cpu = idle_cpu(lab, "linkspand")
        crowded_start = restart(lab, 3)
    print("| what | containers | median | p10 | p90 |\n|---|---|---|---|---|")
    for title, number, figures in (
        ("connect, ms", 1, alone[0]),
        ("connect, ms", count, crowded[0]),
        ("disconnect, ms", 1, alone[1]),
        ("disconnect, ms", count, crowded[1]),
        ("daemon start to first answer, ms", 1, empty_start),
        ("daemon start to first answer, ms", count, crowded_start),
    ):
        print(f"| {title} | {number} | {spread(figures, 1)} |")
    print(f"\n- memory of daemon, proxy and monitors: {held:.0f} MiB (PSS) in {processes} processes")
    print(f"- the idle daemon uses {cpu:.3f} % of a core ({IDLE_SECONDS:.0f} s)")
    middle = statistics.median
    for target in (
        Target("API connect on an idle host, ms", middle(alone[0]), "at most", 3),
        Target(
            f"API connect at {count} endpoints, of one's",
            middle(crowded[0]) / middle(alone[0]),
            "at most",
            1.3,
        ),
        Target("API disconnect, ms", middle(alone[1]), "at most", 5),
        Target("daemon start, one container, ms", middle(empty_start), "at most", 300),
        Target(f"daemon start, {count} containers, ms", middle(crowded_start), "at most", 2000),
        Target(f"idle CPU of the daemon at {count} containers, %", cpu, "at most", 0.2),
    ):
        print(target.comment())
    return held


def measure_docker(count: int, ours: float) -> None:
    """Print what dockerd needs for as many containers."""
    with Lab() as donor, DockerPeer() as peer:
        donor.daemon()
        archive = str(donor.directory / "busybox.tar")
        donor.docker("save", "-o", archive, "busybox")
        peer.lab.docker("load", "-i", archive)
        fill(peer.lab, count)
        held, processes = memory(peer.lab, THEIRS)
    print(f"- dockerd, containerd, shims and docker-proxies: {held:.0f} MiB (PSS) in {processes} processes")
    print(
        Target(
            f"memory of the engine at {count} containers, of dockerd's", ours / held, "at most", 0.5
        ).comment()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--containers", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--no-docker", action="store_true", help="measure ours alone")
    options = parser.parse_args()
    held = measure_ours(options.containers, options.rounds)
    if not options.no_docker:
        measure_docker(options.containers, held)


if __name__ == "__main__":
    main()
