"""The load, and what must hold under and after it: right answers, in time, and nothing left."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from client import Answer, Client
from guests import Guests
from load import IMAGE, LABEL, Request, Script, Worker, execs, life, networks, plug, runs
from witness import difference

from linkspan.lab import Lab, LabError

WARM = 0.2
ENDING = 60.0
GROWTH = 24 << 20
"""Bytes of memory that the daemon may have more after the load than after its first fifth."""
POOLS = 64
"""Netlink sockets that are kept for the next use: two pools, each with at most one for each worker thread."""
PLUGS = 6
SERVER, LOUD = "server", "loud"
COMPOSE = """\
services:
  db: {image: busybox, command: sleep 1000, stop_signal: SIGKILL}
  web: {image: busybox, command: httpd -f, stop_signal: SIGKILL, depends_on: [db]}
"""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the daemon's process holds; `open` are its descriptors by what they lead to."""

    open: Counter[str]
    threads: int
    memory: int

    @classmethod
    def of(cls, pid: int) -> Holdings:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        figures = {key: value.split() for key, _, value in (line.partition(":") for line in status)}
        return cls(Counter(_targets(pid)), int(figures["Threads"][0]), int(figures["VmRSS"][0]) * 1024)

    @property
    def descriptors(self) -> int:
        return self.open.total()

    def __str__(self) -> str:
        return f"{self.descriptors} descriptors, {self.threads} threads, {self.memory / 2**20:.0f} MiB"


def _targets(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield re.sub(r"\d+", "N", str(descriptor.readlink()))
        except FileNotFoundError:
            continue


@dataclass
class Report:
    """What was measured and what was wrong."""

    clients: int
    guests: int = 0
    seconds: float = 0
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    holdings: list[tuple[str, Holdings]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The figures, one a line."""
        total = sum(map(len, self.latencies.values()))
        lines = [
            f"{self.clients} clients and {self.guests} slow or dead ones for {self.seconds:.0f} s:"
            f" {total} requests answered",
            f"{'milliseconds':<20}{'requests':>9}{'p50':>8}{'p90':>8}{'p99':>8}{'worst':>8}",
        ]
        for kind, taken in sorted(self.latencies.items()):
            ordered = sorted(taken)
            parts = [ordered[min(len(ordered) - 1, int(len(ordered) * p))] for p in (0.5, 0.9, 0.99, 1)]
            lines.append(f"{kind:<20}{len(ordered):>9}" + "".join(f"{1000 * part:8.0f}" for part in parts))
        lines += [f"{when}: {holdings}" for when, holdings in self.holdings]
        return "\n".join([*lines, f"problems: {len(self.problems)}"])


class TimedClient(Client):
    """Notes how long each kind of request takes; one for each worker."""

    def __init__(self, control: Path, report: Report) -> None:
        super().__init__(control)
        self._report = report

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        began = time.monotonic()
        answer = super().ask(method, path, body)
        self._report.latencies[_kind(method, path)].append(time.monotonic() - began)
        return answer


def _kind(method: str, path: str) -> str:
    parts = path.partition("?")[0].strip("/").split("/")
    verb = parts[-1] if method == "POST" else {"GET": parts[-1], "DELETE": "rm"}[method]
    return f"{parts[0].removesuffix('s')} {verb}"


def logs(container: str) -> Script:
    """The whole log of a container that writes a line and ends."""

    def script(worker: Worker) -> Iterator[Request]:
        yield Request("logs", "GET", f"/containers/{container}/logs?stdout=1&tail=5", None, (200,))
        if b"first words" not in worker.answer.body:
            worker.problems.append(f"{worker.name}: logs are {worker.answer.body[:200]!r}")

    return script


def listing(worker: Worker) -> Iterator[Request]:
    """What everybody asks all the time."""
    yield Request("ps", "GET", "/containers/json?all=1", None, (200,))
    if not any(f"/{SERVER}" in one["Names"] for one in worker.answer.data):
        worker.problems.append(f"{worker.name}: {SERVER} is not in ps")
    yield Request("inspect", "GET", f"/containers/{SERVER}/json", None, (200,))
    yield Request("networks", "GET", "/networks", None, (200,))


class Soak:
    """One lab with a daemon, many clients."""

    def __init__(self, lab: Lab, clients: int, idle: int) -> None:
        self._lab = lab
        self._idle = idle
        self._client = Client(lab.socket)
        self.report = Report(clients)

    def run(self, seconds: float) -> Report:
        """Load the daemon for `seconds`, and look at what is left."""
        self._prepare()
        base = self._lab.snapshot()
        self._load(min(10.0, seconds * WARM), Report(self.report.clients))  # what is made once, is made now
        self._rest(base)
        self._hold("before")
        guests = Guests(self._lab.socket, LOUD, self._idle)
        self.report.guests = len(guests)
        began = time.monotonic()
        early = threading.Timer(seconds * WARM, self._hold, ("after a fifth of the time",))
        early.start()
        self._load(seconds, self.report)
        early.join()
        self.report.seconds = time.monotonic() - began
        guests.leave()
        self._rest(base)
        self._hold("after")
        self._judge()
        return self.report

    def _prepare(self) -> None:
        docker = self._lab.docker
        docker(
            "run",
            "-d",
            "--name",
            SERVER,
            "-p",
            "8081:80",
            IMAGE,
            "sh",
            "-c",
            "echo first words; exec httpd -f",
        )
        docker("run", "-d", "--name", LOUD, IMAGE, "sh", "-c", "while true; do seq 2000; sleep 0.5; done")
        for number in range(PLUGS):
            docker("network", "create", "--label", "crash=base", f"plug{number}")
            docker("run", "-d", "--name", f"plugged{number}", IMAGE, "sleep", "100000")
            docker("network", "connect", f"plug{number}", f"plugged{number}")  # its resolver stays
            docker("network", "disconnect", f"plug{number}", f"plugged{number}")
        project = self._lab.directory / "project"
        project.mkdir()
        (project / "compose.yaml").write_text(COMPOSE)

    def _scripts(self) -> Iterator[tuple[str, Script]]:
        plugs = cycle(range(PLUGS))
        for number in cycle(range(10_000)):
            yield f"life{number}", life(number)
            yield f"run{number}", runs(number)
            yield f"net{number}", networks(number)
            yield f"exec{number}", execs(number, SERVER)
            yield f"logs{number}", logs(SERVER)
            yield f"list{number}", listing
            yield f"run{number}b", runs(5000 + number)
            if number < PLUGS:
                yield f"plug{number}", plug(next(plugs), f"plugged{number}")

    def _load(self, seconds: float, report: Report) -> None:
        stop = threading.Event()
        chosen = islice(self._scripts(), report.clients - 1)
        workers = [Worker(name, TimedClient(self._lab.socket, report), script) for name, script in chosen]
        threads = [threading.Thread(target=worker.run, args=(stop,), daemon=True) for worker in workers]
        threads.append(threading.Thread(target=self._compose, args=(stop, report), daemon=True))
        for thread in threads:
            thread.start()
        stop.wait(seconds)
        stop.set()
        deadline = time.monotonic() + ENDING
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        stuck = [worker.name for worker, thread in zip(workers, threads, strict=False) if thread.is_alive()]
        if stuck:
            self.report.problems.append(f"no answer in {ENDING:g} s for: {', '.join(stuck)}")
        self.report.problems += [problem for worker in workers for problem in worker.problems]

    def _compose(self, stop: threading.Event, report: Report) -> None:
        """A project up and down, by our own client."""
        file = str(self._lab.directory / "project" / "compose.yaml")
        while not stop.is_set():
            for words in (("up", "-d"), ("down", "-t", "0")):
                began = time.monotonic()
                try:
                    self._lab.linkspan("compose", "-f", file, *words)
                except LabError as error:
                    self.report.problems.append(f"compose {words[0]}: {error}")
                report.latencies[f"compose {words[0]}"].append(time.monotonic() - began)

    def _rest(self, base: object) -> None:
        """Remove what the load was in the midst of, and complain about what is left then."""
        query = f'?all=1&filters={{"label":["crash={LABEL["crash"]}"]}}'
        for one in self._client.ask("GET", f"/containers/json{query.replace(chr(34), '%22')}").data:
            self._client.ask("DELETE", f"/containers/{one['Id']}?force=1")
        for one in self._client.ask("GET", "/networks").data:
            if one["Labels"].get("crash") == LABEL["crash"]:
                self._client.ask("DELETE", f"/networks/{one['Id']}")
        for number in range(PLUGS):
            body = {"Container": f"plugged{number}", "Force": True}
            self._client.ask("POST", f"/networks/plug{number}/disconnect", body)
        deadline = time.monotonic() + 5
        while (left := difference(base, self._lab.snapshot())) and time.monotonic() < deadline:
            time.sleep(0.2)
        if left:
            self.report.problems.append(f"left or lost:\n{left}")

    def _hold(self, when: str) -> None:
        assert self._lab._daemon is not None
        self.report.holdings.append((when, Holdings.of(self._lab._daemon.pid)))

    def _judge(self) -> None:
        before, early, after = (holdings for _, holdings in self.report.holdings)
        if after.descriptors > before.descriptors + POOLS:
            self.report.problems.append(f"descriptors leak: {dict(after.open - before.open)}")
        if after.threads > before.threads + 40:
            self.report.problems.append(f"threads leak: {before.threads} before, {after.threads} after")
        if after.memory > early.memory + GROWTH:
            self.report.problems.append(f"memory leaks: {early} early, {after} after")
        for line in self._lab._log.read_text(errors="replace").splitlines():
            if "Traceback" in line or " ERROR " in line:
                self.report.problems.append(f"the log says: {line}")
