"""Shows how a plan goes: on a terminal one living line for each object, elsewhere one line for each event."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass
from typing import TextIO

from linkspan.compose.steps import Step

GREEN, RED, BLUE, DIM, OFF = "\033[32m", "\033[31m", "\033[34m", "\033[2m", "\033[0m"
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Quiet:
    """Says nothing."""

    def begin(self, step: Step) -> None: ...

    def end(self, step: Step) -> None: ...

    def fail(self, step: Step, reason: str) -> None: ...

    def close(self) -> None: ...


class Lines:
    """ " Container shop-web-1  Creating", a line for each event."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._lock = threading.Lock()

    def begin(self, step: Step) -> None:
        if step.doing:
            self._say(step.subject, step.doing)

    def end(self, step: Step) -> None:
        if step.done:
            self._say(step.subject, step.done)

    def fail(self, step: Step, reason: str) -> None:
        self._say(step.subject, f"Error {reason.splitlines()[0] if reason else ''}".rstrip())

    def close(self) -> None:
        """Nothing is open."""

    def _say(self, subject: str, text: str) -> None:
        with self._lock:
            self._output.write(f" {subject}  {text}\n")
            self._output.flush()


@dataclass(slots=True)
class _Row:
    """One object's line."""

    text: str = ""
    begun: float = 0.0
    ended: float = 0.0
    failed: bool = False
    open: int = 0


class Live:
    """A block of lines, painted over as it changes: "[+] Running 2/3", then one line for each object."""

    def __init__(self, output: TextIO, title: str = "Running") -> None:
        self._output = output
        self._title = title
        self._rows: dict[str, _Row] = {}
        self._lock = threading.Lock()
        self._painted = 0
        self._closed = threading.Event()
        self._painter = threading.Thread(target=self._paint_on, daemon=True)
        self._painter.start()

    def begin(self, step: Step) -> None:
        with self._lock:
            row = self._rows.setdefault(step.subject, _Row(begun=time.monotonic()))
            row.open += 1
            row.ended = 0.0
            row.text = step.doing or row.text

    def end(self, step: Step) -> None:
        self._finish(step, step.done)

    def fail(self, step: Step, reason: str) -> None:
        self._finish(step, f"Error {reason}", failed=True)

    def _finish(self, step: Step, text: str, *, failed: bool = False) -> None:
        with self._lock:
            row = self._rows.setdefault(step.subject, _Row(begun=time.monotonic()))
            row.open -= 1
            row.ended = time.monotonic()
            row.failed = row.failed or failed
            row.text = text or row.text

    def close(self) -> None:
        """Paint for the last time."""
        self._closed.set()
        self._painter.join()
        with self._lock:
            self._paint()

    def _paint_on(self) -> None:
        while not self._closed.wait(0.1):
            with self._lock:
                self._paint()

    def _paint(self) -> None:
        if not self._rows:
            return
        width, height = shutil.get_terminal_size()
        lines = self._lines(width)
        if len(lines) > height - 1:
            lines = [lines[0], *lines[-(height - 2) :]]
        up = f"\033[{self._painted}A" if self._painted else ""
        self._output.write(up + "".join(f"\r\033[2K{line}\n" for line in lines) + "\033[J")
        self._output.flush()
        self._painted = len(lines)

    def _lines(self, width: int) -> list[str]:
        done = sum(not row.open for row in self._rows.values())
        longest = max(len(subject) for subject in self._rows)
        head = f"[+] {self._title} {done}/{len(self._rows)}"
        return [head, *(_line(subject, row, longest, width) for subject, row in self._rows.items())]


def _line(subject: str, row: _Row, longest: int, width: int) -> str:
    now = time.monotonic()
    mark, colour = SPINNER[int(now * 10) % len(SPINNER)], BLUE
    if not row.open:
        mark, colour = ("✘", RED) if row.failed else ("✔", GREEN)
    spent = f"{(row.ended or now) - row.begun:.1f}s"
    room = max(10, width - longest - len(spent) - 8)
    text = row.text.splitlines()[0][:room] if row.text else ""
    return f" {colour}{mark}{OFF} {subject:<{longest}}  {colour}{text:<{room}}{OFF} {DIM}{spent}{OFF}"


Progress = Quiet | Lines | Live


def progress(output: TextIO, *, quiet: bool = False, plain: bool = False, title: str = "Running") -> Progress:
    """The way that suits where it is shown."""
    if quiet:
        return Quiet()
    return Live(output, title) if output.isatty() and not plain else Lines(output)
