"""Carries a plan out: what does not wait for anything runs at once, in parallel."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from linkspan.compose.daemon import Daemon, Refused
from linkspan.compose.project import COMPLETED
from linkspan.compose.steps import Call, Plan, Step, Wait

#: so many steps at once
PARALLEL = 16
#: a container's state is looked at so often, in seconds
PAUSE = 0.1
#: states of a container whose process has ended
ENDED = ("exited", "dead")


class Reporter(Protocol):
    """Is told what happens, from any thread."""

    def begin(self, step: Step) -> None: ...

    def end(self, step: Step) -> None: ...

    def fail(self, step: Step, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that has failed, and why."""

    step: Step
    reason: str


class Unfulfilled(Exception):
    """What a step waits for can never come true."""


def run(plan: Plan, daemon: Daemon, reporter: Reporter) -> list[Failure]:
    """Carry out all steps; what comes after a failed one is left out, everything else is done.

    When interrupted (KeyboardInterrupt), no further step begins, and what has begun is finished.
    """
    return _Run(plan, daemon, reporter).run()


class _Run:
    def __init__(self, plan: Plan, daemon: Daemon, reporter: Reporter) -> None:
        self._daemon = daemon
        self._reporter = reporter
        self._waiting = {step.key: step for step in plan.steps}
        self._done: set[str] = set()
        self._failures: list[Failure] = []
        self._stopping = threading.Event()

    def run(self) -> list[Failure]:
        running: dict[Future[None], Step] = {}
        with (
            _interrupted_at_rest() as interrupted,
            ThreadPoolExecutor(PARALLEL, thread_name_prefix="compose") as pool,
        ):
            try:
                while self._waiting or running:
                    for step in self._ready():
                        del self._waiting[step.key]
                        running[pool.submit(self._carry_out, step)] = step
                    if not running:
                        break
                    for future in wait(running, PAUSE, return_when=FIRST_COMPLETED).done:
                        self._settle(future, running.pop(future))
                    if interrupted.is_set():
                        raise KeyboardInterrupt
            except BaseException:
                self._stopping.set()
                self._waiting.clear()
                raise
        return self._failures

    def _ready(self) -> list[Step]:
        return [step for step in self._waiting.values() if step.after <= self._done]

    def _settle(self, future: Future[None], step: Step) -> None:
        try:
            future.result()
        except (Refused, Unfulfilled) as error:
            self._failures.append(Failure(step, str(error)))
            self._reporter.fail(step, str(error))
        else:
            self._done.add(step.key)
            self._reporter.end(step)

    def _carry_out(self, step: Step) -> None:
        self._reporter.begin(step)
        for call in step.calls:
            self._call(call)
        if step.wait:
            self._wait(step.wait)

    def _call(self, call: Call) -> None:
        try:
            if call.archive:
                stream = iter([call.archive])
                for _ in self._daemon.send(call.method, call.path, stream=stream, query=call.query).pieces():
                    pass
            else:
                self._daemon.call(call.method, call.path, call.body, **call.query)
        except Refused as error:
            if error.status not in call.tolerated:
                raise

    def _wait(self, what: Wait) -> None:
        if what.condition == COMPLETED:
            self._completed(what)
        else:
            self._healthy(what)

    def _completed(self, what: Wait) -> None:
        while not self._stopping.is_set():
            state = self._daemon.get(f"/containers/{what.container}/json")["State"]
            if state.get("Status") in ENDED:
                if state["ExitCode"] and what.required:
                    raise Unfulfilled(f"didn't complete successfully: exit {state['ExitCode']}")
                return
            time.sleep(PAUSE)

    def _healthy(self, what: Wait) -> None:
        """Until it is healthy, or (asked for by --wait) runs when it has no health check."""
        while not self._stopping.is_set():
            state = self._daemon.get(f"/containers/{what.container}/json")["State"]
            health = (state.get("Health") or {}).get("Status", "none")
            if health == "healthy" or (health == "none" and what.condition == "running_or_healthy"):
                return
            reason = _hopeless(state, health)
            if reason and what.required:
                raise Unfulfilled(reason)
            if reason:
                return
            time.sleep(PAUSE)


@contextmanager
def _interrupted_at_rest() -> Iterator[threading.Event]:
    """Note SIGINT instead of raising KeyboardInterrupt anywhere, and raise at the end when it was not heard.

    Raised inside concurrent.futures.wait, it can leave a future locked, and its worker waits forever.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: interrupted.set())
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted.is_set():
        raise KeyboardInterrupt


def _hopeless(state: dict[str, object], health: str) -> str:
    """Why a container will not become healthy, or ""."""
    if health == "unhealthy":
        return "is unhealthy"
    if state.get("Status") in ENDED:
        return f"exited ({state.get('ExitCode')})"
    if health == "none":
        return "has no healthcheck configured"
    return ""
