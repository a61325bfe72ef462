"""Measure what the kernel layer needs to attach and to detach one endpoint, in a throwaway namespace.

Run as root: `python bench/attach_floor.py [ROUNDS]`. Prints medians in milliseconds; nothing is left behind.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_interface
from pathlib import Path

from linkspan.blueprint.parts import Address, Bridge, Part, Route, VethPair
from linkspan.kernel import namespaces
from linkspan.kernel.host import HostKernel
from linkspan.kernel.namespaces import Visitor

GATEWAY = ip_address("172.17.0.1")
WIDTH = 20


def endpoint(number: int, sandbox: Path) -> list[Part]:
    """Return the parts of one endpoint, as the bridge driver has them."""
    high, low = divmod(number + 2, 250)
    return [
        VethPair(
            f"veth{number:07x}",
            "eth0",
            str(sandbox),
            "docker0",
            f"02:42:ac:11:{high:02x}:{low:02x}",
            owner=f"linkspan:endpoint:{number}",
        ),
        Address("eth0", ip_interface(f"172.17.{high}.{low}/16"), str(sandbox)),
        Route("eth0", GATEWAY, sandbox=str(sandbox)),
    ]


def timed(work: Callable[..., object], *arguments: object) -> float:
    """Return how many milliseconds `work` takes."""
    begun = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - begun) * 1000


def gone(kernel: HostKernel, name: str) -> None:
    """Wait until a link is no longer there."""
    while kernel.link(name) is not None:
        time.sleep(0.001)


def measure(kernel: HostKernel, directory: Path, rounds: int) -> dict[str, list[float]]:
    """Attach and detach `rounds` endpoints one after the other; returns the times by what was done."""
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        path = directory / f"s{number}"
        parts = endpoint(number, path)
        found.setdefault("namespace, lo up", []).append(timed(kernel.create_sandbox, path))
        found.setdefault("veth, address, route", []).append(timed(kernel.apply, parts))
        if number % 2:
            found.setdefault("detach_links", []).append(timed(kernel.detach_links, parts))
            found.setdefault("remove_sandbox", []).append(timed(kernel.remove_sandbox, path))
        else:
            kernel.remove_sandbox(path)
            name = f"veth{number:07x}"
            found.setdefault("veth gone after remove_sandbox alone", []).append(timed(gone, kernel, name))
    halves = zip(found["namespace, lo up"], found["veth, address, route"], strict=True)
    return {"attach in all": [sum(pair) for pair in halves], **found}


def measure_many(kernel: HostKernel, directory: Path) -> dict[str, list[float]]:
    """Attach and detach `WIDTH` endpoints from as many threads; returns the wall-clock time for each."""
    paths = [directory / f"m{number}" for number in range(WIDTH)]
    plans = [endpoint(1000 + number, path) for number, path in enumerate(paths)]

    def attach(number: int) -> None:
        kernel.create_sandbox(paths[number])
        kernel.apply(plans[number])

    def detach(number: int) -> None:
        kernel.detach_links(plans[number])
        kernel.remove_sandbox(paths[number])

    def all_at_once(work: Callable[[int], None]) -> None:
        with ThreadPoolExecutor(WIDTH) as pool:
            list(pool.map(work, range(WIDTH)))

    return {
        f"{WIDTH} threads, attach, each": [timed(all_at_once, attach) / WIDTH],
        f"{WIDTH} threads, detach, each": [timed(all_at_once, detach) / WIDTH],
    }


def run(rounds: int, directory: Path) -> dict[str, list[float]]:
    """Measure everything in a host of its own."""
    visitor = Visitor()
    host = directory / "host"
    kernel = visitor.create(host, HostKernel)
    try:
        kernel.apply([Bridge("docker0"), Address("docker0", ip_interface("172.17.0.1/16"))])
        with ThreadPoolExecutor(1) as worker:  # never on the main thread, like the daemon
            found = worker.submit(measure, kernel, directory, rounds).result()
        return found | measure_many(kernel, directory)
    finally:
        kernel.close()
        for path in directory.iterdir():
            namespaces.remove(path)
        visitor.close()


def main() -> None:
    """Print the medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as directory:
        for what, times in run(rounds, Path(directory)).items():
            print(f"{what:40} {statistics.median(times):8.3f} ms")


if __name__ == "__main__":
    main()
