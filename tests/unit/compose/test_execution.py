"""Plans carried out by a daemon that answers from a table."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from linkspan.compose import execution
from linkspan.compose.daemon import Refused
from linkspan.compose.steps import Call, Plan, Step, Wait


class Table:
    """Answers calls by their path; remembers them."""

    def __init__(self, answers: dict[str, Any] | None = None) -> None:
        self.answers = answers or {}
        self.calls: list[str] = []
        self.uploads: list[bytes] = []
        self._lock = threading.Lock()

    def call(self, method: str, path: str, body: object = None, **query: object) -> Any:
        with self._lock:
            self.calls.append(f"{method} {path}")
            answer = self.answers.get(path)
        if isinstance(answer, Exception):
            raise answer
        return answer() if isinstance(answer, Callable) else answer

    def get(self, path: str, **query: object) -> Any:
        return self.call("GET", path, **query)

    def send(
        self, method: str, path: str, body: object = None, *, stream=None, headers=None, query=None
    ) -> Any:
        self.uploads += list(stream or ())
        self.call(method, path)
        return self

    def pieces(self):
        return iter(())


class Record:
    def __init__(self) -> None:
        self.events: list[str] = []

    def begin(self, step: Step) -> None:
        self.events.append(f"begin {step.key}")

    def end(self, step: Step) -> None:
        self.events.append(f"end {step.key}")

    def fail(self, step: Step, reason: str) -> None:
        self.events.append(f"fail {step.key}: {reason}")


def made(key: str, *after: str, path: str = "", wait: Wait | None = None, **options: Any) -> Step:
    calls = () if wait else (Call("POST", path or f"/{key}", **options),)
    return Step(key, f"Container {key}", "", "", calls, frozenset(after), wait)


def run(daemon: Table, *steps: Step):
    record = Record()
    return execution.run(Plan(steps), daemon, record), record.events


def test_order_and_parallelism():
    gate = threading.Barrier(2, timeout=5)
    daemon = Table({"/a": gate.wait, "/b": gate.wait})
    failures, events = run(daemon, made("a"), made("b"), made("c", "a", "b"))
    assert failures == []
    assert daemon.calls[-1] == "POST /c"
    assert events[-1] == "end c"


def test_what_follows_a_failure_is_left_out_and_the_rest_is_done():
    daemon = Table({"/a": Refused("no", 500)})
    failures, events = run(daemon, made("a"), made("b", "a"), made("c"))
    assert [(each.step.key, each.reason) for each in failures] == [("a", "no")]
    assert "POST /b" not in daemon.calls
    assert "POST /c" in daemon.calls
    assert "fail a: no" in events


def test_tolerated_answers():
    assert run(Table({"/a": Refused("gone", 404)}), made("a", tolerated=(404,)))[0] == []
    assert run(Table({"/a": Refused("gone", 500)}), made("a", tolerated=(404,)))[0] != []


def test_uploads():
    daemon = Table()
    run(daemon, made("a", archive=b"tar"))
    assert daemon.uploads == [b"tar"]


def health(*states: dict[str, Any]):
    """Answers of inspect, one after the other; the last one stays."""
    left = list(states)

    def answer():
        return {"State": left.pop(0) if len(left) > 1 else left[0]}

    return answer


def waited(condition: str, answer: Any, *, required: bool = True, path: str = "/containers/x/json"):
    daemon = Table({path: answer})
    return run(daemon, made("w", wait=Wait("x", condition, required)))[0]


def test_waiting_for_health():
    good = health({"Health": {"Status": "starting"}, "Status": "running"}, {"Health": {"Status": "healthy"}})
    assert waited("service_healthy", good) == []


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"Health": {"Status": "unhealthy"}, "Status": "running"}, "is unhealthy"),
        ({"Health": {"Status": "starting"}, "Status": "exited", "ExitCode": 3}, "exited (3)"),
        ({"Status": "running"}, "has no healthcheck configured"),
    ],
)
def test_what_will_never_be_healthy(state, reason):
    assert waited("service_healthy", health(state))[0].reason == reason
    assert waited("service_healthy", health(state), required=False) == []


def test_running_is_enough_for_wait_without_a_health_check():
    assert waited("running_or_healthy", health({"Status": "running"})) == []


def test_waiting_for_the_end():
    condition = "service_completed_successfully"
    good = health({"Status": "running", "ExitCode": 0}, {"Status": "exited", "ExitCode": 0})
    assert waited(condition, good) == []
    bad = health({"Status": "running", "ExitCode": 0}, {"Status": "exited", "ExitCode": 2})
    assert waited(condition, bad)[0].reason == "didn't complete successfully: exit 2"
    assert waited(condition, bad, required=False) == []


def test_ctrl_c_ends_a_wait_that_would_last_forever():
    ready = threading.Event()

    def running():
        ready.set()
        return {"State": {"Status": "running", "ExitCode": 0}}

    def press():
        ready.wait(5)
        signal.raise_signal(signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            waited("service_completed_successfully", running)
    finally:
        presser.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interruption_begins_nothing_more():
    class Interrupted(Record):
        def end(self, step: Step) -> None:
            raise KeyboardInterrupt

    daemon = Table()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        execution.run(Plan((made("a"), made("b", "a"))), daemon, Interrupted())
    assert daemon.calls == ["POST /a"]
    assert time.monotonic() - begun < 2
