"""Measures Linkspan against Debian's dockerd, both in throwaway hosts of this machine, in turn.

    .venv/bin/python bench/run.py [--rounds N] [PART ...]

Each part prints medians, spread and the ratio, and replaces its section of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import os
import platform
import re
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker_peer import DockerPeer
from linkspan import __version__
from linkspan.lab import Lab
from report import Target

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
WARM_UP = 3
TOGETHER = 30


@dataclass(frozen=True, slots=True)
class Series:
    """What was measured of one side, in milliseconds."""

    name: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def share(self, part: float) -> float:
        """The value below which `part` of all values lie."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]

    def row(self, title: str) -> str:
        return (
            f"| {title} | {self.name} | {self.median:.1f} | {self.share(0.1):.1f} | {self.share(0.9):.1f} "
            f"| {min(self.values):.1f} |"
        )


Action = Callable[[Lab], float]


def alternate(
    ours: Lab, theirs: Lab, action: Action, rounds: int, warm_up: int = WARM_UP
) -> tuple[Series, Series]:
    """Do the same on both sides in turn, so that a busy moment of the machine hits both."""
    figures: dict[int, list[float]] = {0: [], 1: []}
    for number in range(rounds + warm_up):
        for side, lab in enumerate((ours, theirs)):
            took = action(lab) * 1000
            if number >= warm_up:
                figures[side].append(took)
    return Series("Linkspan", tuple(figures[0])), Series("dockerd", tuple(figures[1]))


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def run_published(lab: Lab) -> float:
    """Seconds of `docker run -d -p 8080:80`, as a person waits for it."""
    took = timed(
        lambda: lab.docker("run", "-d", "--name", "bench", "-p", "8080:80", "busybox", "sleep", "1000")
    )
    lab.docker("rm", "-f", "bench")
    return took


def run_plain(lab: Lab) -> float:
    """Seconds of `docker run -d`, without ports."""
    took = timed(lambda: lab.docker("run", "-d", "--name", "bench", "busybox", "sleep", "1000"))
    lab.docker("rm", "-f", "bench")
    return took


def remove_published(lab: Lab) -> float:
    """Seconds of `docker rm -f` of a container with a published port."""
    lab.docker("run", "-d", "--name", "bench", "-p", "8080:80", "busybox", "sleep", "1000")
    return timed(lambda: lab.docker("rm", "-f", "bench"))


def request(lab: Lab, method: str, path: str, body: object) -> None:
    """One API request on a new connection, without any client's start-up."""
    connection = http.client.HTTPConnection("lab")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(lab.socket))
    try:
        connection.request(method, f"/v1.41{path}", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
    finally:
        connection.close()


def connect(lab: Lab) -> float:
    """Seconds of POST /networks/front/connect for a running container."""
    took = timed(lambda: request(lab, "POST", "/networks/front/connect", {"Container": "target"}))
    request(lab, "POST", "/networks/front/disconnect", {"Container": "target"})
    return took


def disconnect(lab: Lab) -> float:
    """Seconds of POST /networks/front/disconnect for a running container."""
    request(lab, "POST", "/networks/front/connect", {"Container": "target"})
    return timed(lambda: request(lab, "POST", "/networks/front/disconnect", {"Container": "target"}))


def run_latency(ours: Lab, theirs: Lab, rounds: int) -> Iterator[tuple[str, Series, Series]]:
    """Starting and removing containers with the docker command."""
    for title, action in (
        ("`docker run -d -p 8080:80`", run_published),
        ("`docker run -d`", run_plain),
        ("`docker rm -f` (with a port)", remove_published),
    ):
        yield title, *alternate(ours, theirs, action, rounds)


def connect_latency(ours: Lab, theirs: Lab, rounds: int) -> Iterator[tuple[str, Series, Series]]:
    """Attaching a running container to a network and taking it off, through the API alone."""
    for lab in (ours, theirs):
        lab.docker("network", "create", "front")
        lab.docker("run", "-d", "--name", "target", "busybox", "sleep", "1000")
    for title, action in (("connect to a network", connect), ("disconnect from a network", disconnect)):
        yield title, *alternate(ours, theirs, action, rounds)
    for lab in (ours, theirs):
        lab.docker("rm", "-f", "target")
        lab.docker("network", "rm", "front")


def run_many(lab: Lab) -> float:
    """Seconds until `TOGETHER` commands `docker run -d -p`, started at once, have all ended."""

    def start(number: int) -> None:
        published = f"{9000 + number}:80"
        lab.docker("run", "-d", "--name", f"many{number}", "-p", published, "busybox", "sleep", "1000")

    with ThreadPoolExecutor(TOGETHER) as pool:
        took = timed(lambda: list(pool.map(start, range(TOGETHER))))
    lab.docker("rm", "-f", *(f"many{number}" for number in range(TOGETHER)), timeout=120)
    return took


def parallel(ours: Lab, theirs: Lab, rounds: int) -> Iterator[tuple[str, Series, Series]]:
    """Thirty docker commands at once, until all have ended."""
    yield "30 × `docker run -d -p`", *alternate(ours, theirs, run_many, rounds, warm_up=0)


def list_containers(ours: Lab, theirs: Lab, rounds: int) -> Iterator[tuple[str, Series, Series]]:
    """Listing ten containers: `linkspan ps` with our daemon, `docker ps` with dockerd."""
    for lab in (ours, theirs):
        for number in range(10):
            lab.docker("run", "-d", "--name", f"listed{number}", "busybox", "sleep", "1000")

    def listing(lab: Lab) -> float:
        return timed(lambda: (lab.linkspan if lab is ours else lab.docker)("ps"))

    yield "`linkspan ps`, `docker ps`", *alternate(ours, theirs, listing, rounds)
    for lab in (ours, theirs):
        lab.docker("rm", "-f", *(f"listed{number}" for number in range(10)), timeout=120)


PARTS = {
    "run_latency": run_latency,
    "connect_latency": connect_latency,
    "parallel": parallel,
    "cli_ps": list_containers,
}
#: Share of dockerd's time, by the title of the row.
LIMITS = {
    "`docker run -d -p 8080:80`": 0.25,
    "`docker rm -f` (with a port)": 0.25,
    "30 × `docker run -d -p`": 0.25,
    "`linkspan ps`, `docker ps`": 1,
}


def measure(name: str, ours: Lab, theirs: Lab, rounds: int) -> str:
    """Run one part, print its table and return it."""
    part = PARTS[name]
    lines = [
        f"{(part.__doc__ or '').strip()} Milliseconds, {rounds} rounds each, alternating.",
        "",
        "| what | engine | median | p10 | p90 | best |",
        "|---|---|---|---|---|---|",
    ]
    ratios, targets = [], []
    for title, mine, other in part(ours, theirs, rounds):
        lines += [mine.row(title), other.row(title)]
        ratios.append(f"- {title}: {ratio(mine.median, other.median)}")
        if limit := LIMITS.get(title):
            share = mine.median / other.median
            targets.append(Target(f"{title}, of dockerd's time", share, "at most", limit).comment())
        print("\n".join([mine.row(title), other.row(title), ratios[-1]]), flush=True)
    return "\n".join([*lines, "", *ratios, *targets])


def ratio(mine: float, other: float) -> str:
    return f"Linkspan takes **{mine / other:.2f}** of dockerd's time ({other / mine:.1f} times as fast)"


def circumstances(ours: Lab, theirs: Lab, command: str) -> str:
    """Date, machine, versions and command, without which a figure says nothing."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    versions = json.loads(theirs.docker("version", "--format", "{{json .}}").out)
    parts = {each["Name"]: each["Version"] for each in versions["Server"]["Components"]}
    processor = cpu.group(1) if cpu else platform.machine()
    crun = ours.run("host", "crun", "--version").lines[0]
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    load = os.getloadavg()[0]
    return (
        f"{today}, {os.cpu_count()} cores ({processor}), load {load:.1f}, "
        f"Linux {platform.release()}, Python {platform.python_version()}; "
        f"Linkspan {__version__} with {crun}; "
        f"dockerd {parts['Engine']} with containerd {parts['containerd']} and runc {parts['runc']}; "
        f"docker command {versions['Client']['Version']} for both. Command: `{command}`."
    )


INTRODUCTION = """\
# Benchmarks

Linkspan against Debian's dockerd on the same machine, each in a throwaway host (network, mount and process
namespaces of its own), in turn within one run, so that a busy moment hits both. Written by `make bench`; each
section says when and how it was measured. Ratios travel better between machines than milliseconds.
"""


def write(sections: dict[str, str]) -> None:
    """Replace the sections of the document that were measured now; leave the others."""
    text = DOCUMENT.read_text() if DOCUMENT.exists() else INTRODUCTION
    for name, section in sections.items():
        block = f"<!-- part: {name} -->\n{section}\n<!-- end: {name} -->"
        pattern = re.compile(rf"<!-- part: {name} -->.*?<!-- end: {name} -->", re.DOTALL)
        found = pattern.search(text)
        text = text.replace(found.group(0), block) if found else f"{text.rstrip()}\n\n{block}\n"
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(text)


@contextmanager
def both() -> Iterator[tuple[Lab, Lab]]:
    """Our daemon and dockerd, each in a lab, with the same busybox image."""
    with Lab() as ours, DockerPeer() as peer:
        ours.daemon()
        archive = ours.directory / "busybox.tar"
        ours.docker("save", "-o", str(archive), "busybox")
        peer.lab.docker("load", "-i", str(archive))
        yield ours, peer.lab


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure Linkspan against Debian's dockerd.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to measure (default: all)")
    parser.add_argument("--rounds", type=int, default=30, help="measured rounds of each action (default 30)")
    parser.add_argument("--no-write", action="store_true", help="print only, leave docs/benchmarks.md alone")
    options = parser.parse_args()
    names = options.parts or list(PARTS)
    command = " ".join(["bench/run.py", f"--rounds {options.rounds}", *options.parts])
    sections = {}
    with both() as (ours, theirs):
        for name in names:
            print(f"\n{name}: {options.rounds} rounds, median, p10, p90 and best in ms", flush=True)
            table = measure(name, ours, theirs, options.rounds)
            title = name.replace("_", " ").capitalize()
            sections[name] = f"## {title}\n\n{table}\n\nMeasured {circumstances(ours, theirs, command)}"
    if not options.no_write:
        write(sections)
    return 0


if __name__ == "__main__":
    sys.exit(main())
