"""The ordeal: load, kill, restart, look, repeat what was interrupted, clear away, look again."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from client import Answer, Client, Interrupted
from doomed import POINTS, START_POINTS
from load import LABEL, Worker, execs, life, networks, plug, runs, said
from witness import PLUGS, USER, WEB, Witness, all_of

from linkspan.lab import Lab, LabError
from linkspan.lab.daemon import DaemonProcess

MOMENTS = ("before", "after")
PATIENCE = 2.5


@dataclass
class Report:
    """What the ordeal found."""

    kills: int = 0
    random_moments: int = 0
    points: Counter[str] = field(default_factory=Counter)
    during_start: int = 0
    requests: int = 0
    interrupted: Counter[str] = field(default_factory=Counter)
    restarts: list[float] = field(default_factory=list)
    silence: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The figures, one a line."""
        ready, silent = sorted(self.restarts), sorted(self.silence)
        lines = [
            f"kills: {self.kills} ({self.random_moments} at random moments, {sum(self.points.values())} at "
            f"{len(self.points)} named points, {self.during_start} of all while the daemon was starting)",
            f"requests answered: {self.requests}; interrupted: {sum(self.interrupted.values())} of "
            f"{len(self.interrupted)} kinds, all repeated",
            f"restart until the API answers: median {_at(ready, 0.5):.2f} s, worst {_at(ready, 1):.2f} s",
            f"names answer again after: median {_at(silent, 0.5):.2f} s, worst {_at(silent, 1):.2f} s",
            f"problems: {len(self.problems)}",
        ]
        return "\n".join(lines)


def _at(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


class Ordeal:
    """One lab, many kills."""

    def __init__(self, lab: Lab, seed: int, flags: tuple[str, ...] = (), say: bool = True) -> None:
        self._lab = lab
        self._chance = random.Random(seed)
        self._flags = flags
        self._say = say
        self._client = Client(lab.socket)
        self._witness = Witness(lab, self._client)
        self._fifo = lab.directory / "doom"
        os.mkfifo(self._fifo)
        self._writer = os.open(self._fifo, os.O_RDWR)
        self._doors = [f"{point} {moment}" for point in POINTS for moment in MOMENTS]
        self._chance.shuffle(self._doors)
        self.report = Report()

    def run(self, kills: int) -> Report:
        """Kill the daemon `kills` times, or until something is wrong."""
        try:
            self._start()
            self._witness.settle()
            turn = 0
            while self.report.kills < kills and len(self.report.problems) < 20:
                turn += 1
                self._round(turn)
        finally:
            self._witness.close()
            os.close(self._writer)
        return self.report

    def _start(self, doom: str = "") -> None:
        """Start the daemon and wait until it answers; LabError when it ends before that."""
        program = [sys.executable, str(Path(__file__).with_name("doomed.py"))]
        argv = [*program, *self._lab.daemon_command[1:], *self._flags]
        env = {"LINKSPAN_DOOM_FIFO": str(self._fifo)} | ({"LINKSPAN_DOOM": doom} if doom else {})
        daemon = DaemonProcess(
            self._lab.place("host"),
            argv,
            self._lab.socket,
            self._lab._log,
            join=self._lab.cgroup_script,
            env=env,
        )
        self._lab.adopt(daemon)
        self._daemon = daemon

    def _round(self, turn: int) -> None:
        began = time.monotonic()
        log_start = self._lab._log.stat().st_size
        workers, how = self._under_load(turn)
        killed = time.monotonic()
        problems = [problem for worker in workers for problem in worker.problems]
        problems += [f"while the daemon is away: {each}" for each in self._witness.paths()]
        how += self._maybe_while_starting()
        if self._come_up(problems):
            self._look(workers, killed, problems)
        problems += self._complaints_in_log(log_start)
        self.report.problems += [f"round {turn} ({how}): {problem}" for problem in problems]
        if self._say:
            print(f"{turn:4} {self.report.kills:4} {time.monotonic() - began:5.1f} s  {how}", flush=True)
            for problem in problems:
                print(f"     {problem[:1500]}", flush=True)

    def _complaints_in_log(self, start: int) -> list[str]:
        with self._lab._log.open(errors="replace") as log:
            log.seek(start)
            lines = [line.strip() for line in log if "Traceback" in line or " ERROR " in line]
        return [f"the log says: {line}" for line in lines[:5]]

    def _under_load(self, turn: int) -> tuple[list[Worker], str]:
        """Let the clients loose and kill the daemon in the midst of them."""
        scripts = {f"life{n}": life(n) for n in range(4)}
        scripts |= {f"plug{n}": plug(n, WEB if n else USER) for n in range(PLUGS)}
        scripts |= {f"net{n}": networks(n) for n in range(2)}
        scripts |= {f"run{n}": runs(n) for n in range(2)}
        scripts |= {f"exec{n}": execs(n, WEB) for n in range(2)}
        workers = [Worker(name, self._client, script) for name, script in scripts.items()]
        stop = threading.Event()
        threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in workers]
        for thread in threads:
            thread.start()
        how = self._kill(turn)
        stop.set()
        for thread in threads:
            thread.join(60)
        self.report.requests += sum(worker.done for worker in workers)
        return workers, how

    def _kill(self, turn: int) -> str:
        if turn % 2 and self._doors:
            door = self._doors.pop()
            time.sleep(self._chance.uniform(0.05, 0.3))
            os.write(self._writer, f"{door} {self._chance.randint(1, 4)}\n".encode())
            if self._ended(PATIENCE):
                self.report.kills += 1
                self.report.points[door] += 1
                return door.replace("linkspan.", "")
        else:
            self._ended(self._chance.uniform(0.1, 1.5))
        self._lab.kill_daemon()
        self.report.kills += 1
        self.report.random_moments += 1
        return "a random moment"

    def _ended(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not self._daemon.running:
                return True
            time.sleep(0.005)
        return False

    def _maybe_while_starting(self) -> str:
        """Every third time the daemon is killed again before it has recovered."""
        told = ""
        while self._chance.random() < 0.34:
            point = self._chance.choice((*START_POINTS, *POINTS))
            door = f"{point} {self._chance.choice(MOMENTS)}"
            try:
                self._start(f"{door} 1")
            except LabError:
                self.report.kills += 1
                self.report.during_start += 1
                self.report.points[door] += 1
                told += f", starting: {door.replace('linkspan.', '')}"
            else:
                self._daemon.send(signal.SIGKILL)
                self._daemon.wait()
                self.report.kills += 1
                self.report.random_moments += 1
                told += ", at once again"
        return told

    def _come_up(self, problems: list[str]) -> bool:
        began = time.monotonic()
        try:
            self._start()
        except LabError as error:
            problems.append(f"the daemon does not come up again: {error}")
            self.report.problems += problems
            raise
        self.report.restarts.append(time.monotonic() - began)
        return True

    def _look(self, workers: list[Worker], killed: float, problems: list[str]) -> None:
        try:
            names = list(self._witness.names())
            problems += names
            self.report.silence.append(self.report.restarts[-1])
            # Containers that ended while nobody looked are settled within moments.
            problems += self._patiently(lambda: all_of(self._witness.survivors, self._witness.consistency))
            problems += self._repeat(workers)
            problems += all_of(self._witness.paths)
            problems += self._clear()
            problems += all_of(self._witness.nothing_left)
        except (Interrupted, TimeoutError, LabError) as error:
            problems.append(f"after the restart: {error}\n{self._daemon.tail(30)}")

    def _patiently(self, look) -> list[str]:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + 2
        while (found := look()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return list(found)

    def _repeat(self, workers: list[Worker]) -> list[str]:
        """Send again what was interrupted: it must succeed, or be done already."""
        problems = []
        for worker in workers:
            if (request := worker.pending) is None:
                continue
            self.report.interrupted[request.what.rstrip("0123456789")] += 1
            answer = self._client.ask(request.method, request.path, request.body)
            if answer.status not in (*request.good, *request.again):
                if self._never_created(request.method, answer):
                    continue
                problems.append(f"{worker.name}, repeated: {said(request, answer)}")
        return problems

    def _never_created(self, method: str, answer: Answer) -> bool:
        """Tell a verb for a container that `run --rm` had removed already."""
        return method == "POST" and answer.status == 404 and b"No such container: run" in answer.body

    def _clear(self) -> list[str]:
        problems = []
        chosen = json.dumps({"label": [f"{key}={value}" for key, value in LABEL.items()]})
        for one in self._client.ask("GET", f"/containers/json?all=1&filters={_quoted(chosen)}").data:
            answer = self._client.ask("DELETE", f"/containers/{one['Id']}?force=1&v=1")
            if answer.status not in (204, 404, 409):
                problems.append(f"removing {one['Names']}: {answer.status} {answer.body!r}")
        for one in self._client.ask("GET", f"/networks?filters={_quoted(chosen)}").data:
            answer = self._client.ask("DELETE", f"/networks/{one['Id']}")
            if answer.status != 204:
                problems.append(f"removing {one['Name']}: {answer.status} {answer.body!r}")
        for number in range(PLUGS):
            self._client.ask(
                "POST", f"/networks/plug{number}/disconnect", {"Container": WEB if number else USER}
            )
        return problems


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text)
