"""Runs the parts of the bench by name and writes docs/benchmarks.md, its targets and its plots.

    sudo .venv/bin/python bench/all.py [--quick] [--no-write] [PART ...]

Each part is a program of its own, in throwaway hosts, that prints its section; what it prints is what the
document says. A part that fails is told at the end, leaves its old section alone, and stops no other.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import report
import run

BENCH = Path(__file__).parent
PLOTS = run.DOCUMENT.parent / "plots"


@dataclass(frozen=True, slots=True)
class Part:
    """A program with its arguments; `title` heads its section, unless it writes the section by itself."""

    title: str
    program: str
    full: tuple[str, ...]
    quick: tuple[str, ...]


PARTS = {
    "run_latency": Part("", "run.py", ("run_latency", "--rounds=20"), ("run_latency", "--rounds=3")),
    "connect_latency": Part(
        "", "run.py", ("connect_latency", "--rounds=30"), ("connect_latency", "--rounds=5")
    ),
    "parallel": Part("", "run.py", ("parallel", "--rounds=3"), ("parallel", "--rounds=1")),
    "cli_ps": Part("", "run.py", ("cli_ps", "--rounds=20"), ("cli_ps", "--rounds=5")),
    "ports": Part(
        "Ports", "ports.py", ("start", "--rounds=9"), ("start", "--rounds=3", "--backend=nftables")
    ),
    "rate": Part(
        "Connections", "ports.py", ("rate", "--rounds=3"), ("rate", "--rounds=1", "--backend=nftables")
    ),
    "containers": Part(
        "Containers", "crowd.py", ("--containers=300",), ("--containers=50", "--rounds=5", "--no-docker")
    ),
    "proxy": Part("Userland proxy", "proxy.py", (), ("--quick",)),
    "dns": Part("", "dns.py", (), ("--quick",)),
}


def measure(name: str, quick: bool, keep: bool) -> bool:
    """Run one part, showing what it prints; returns whether it succeeded."""
    part = PARTS[name]
    own = not part.title
    arguments = [*(part.quick if quick else part.full), *(["--no-write"] if own and not keep else [])]
    command = [sys.executable, str(BENCH / part.program), *arguments]
    began = time.monotonic()
    print(f"\n=== {name}: bench/{part.program} {' '.join(arguments)}", flush=True)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        print(line, end="", flush=True)
    succeeded = process.wait() == 0
    print(f"=== {name}: {time.monotonic() - began:.0f} s{'' if succeeded else ', FAILED'}", flush=True)
    if succeeded and keep and not own:
        measured = circumstances(f"bench/{part.program} {' '.join(arguments)}".strip())
        run.write({name: f"## {part.title}\n\n{''.join(lines).strip()}\n\nMeasured {measured}"})
    return succeeded


def circumstances(command: str) -> str:
    """Date, machine and command, without which a figure says nothing."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return (
        f"{datetime.datetime.now(datetime.UTC).date().isoformat()}, {os.cpu_count()} cores "
        f"({cpu.group(1) if cpu else platform.machine()}), load {os.getloadavg()[0]:.1f}, "
        f"Linux {platform.release()}, Python {platform.python_version()}. Command: `{command}`."
    )


def finish() -> None:
    """Write the table of targets and the plots, of what the document says now."""
    text = run.DOCUMENT.read_text()
    if wanted := report.targets(text):
        run.write({"targets": report.targets_table(wanted)})
    PLOTS.mkdir(exist_ok=True)
    shown = []
    for name, (title, across, up, section, pattern) in CURVES.items():
        if lines := report.curves(text, section, pattern):
            (PLOTS / f"{name}.svg").write_text(report.plot(title, across, up, lines))
            shown.append(f"![{title}](plots/{name}.svg)")
    if shown:
        run.write({"plots": "\n\n".join(["## Plots", *shown])})


# Of a row: `count`, `series` and `median`.
CURVES = {
    "ports": (
        "Start of a container that publishes ports one by one",
        "ports",
        "ms",
        "ports",
        r"\| (?P<count>[\d,]+)(?: one by one)? \| (?P<series>\S+) \| (?P<median>[\d.]+) ",
    ),
    "connections": (
        "New connections to a port beside others",
        "ports published besides",
        "connections/s",
        "rate",
        r"\| (?P<count>[\d,]+) ports \| (?P<series>\S+) \| (?P<median>[\d.]+) ",
    ),
    "containers": (
        "Connect and disconnect beside containers",
        "containers",
        "ms",
        "containers",
        r"\| (?P<series>\w+), ms \| (?P<count>[\d,]+) \| (?P<median>[\d.]+) ",
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"what to measure (default: all): {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that all works")
    parser.add_argument("--no-write", action="store_true", help="print only, leave docs/ alone")
    options = parser.parse_args()
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}: choose from {', '.join(PARTS)}")
    names = options.parts or list(PARTS)
    failed = [name for name in names if not measure(name, options.quick, not options.no_write)]
    if not options.no_write:
        finish()
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
