"""A plan: steps of API calls, and which step waits for which (pure values)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One API call; answers with a status of `tolerated` are fine. `archive` is a tar to upload."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    archive: bytes = b""
    tolerated: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until a container is healthy, or has ended with exit code 0; not `required`: go on if not."""

    container: str
    condition: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """Something done to one object: `subject` ("Container shop-web-1") is `doing`, then `done`."""

    key: str
    subject: str
    doing: str
    done: str
    calls: tuple[Call, ...] = ()
    after: frozenset[str] = frozenset()
    wait: Wait | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps, in an order in which they could be done one by one, and what the user should know first."""

    steps: tuple[Step, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that do something."""
        return tuple(step for step in self.steps if step.calls or step.wait)

    def split(self, *prefixes: str) -> tuple[Plan, Plan]:
        """The plan without the steps of some kinds, and those alone, to be carried out after it."""
        first = [step for step in self.steps if not step.key.startswith(prefixes)]
        second = [step for step in self.steps if step.key.startswith(prefixes)]
        keys = {step.key for step in second}
        later = tuple(replace(step, after=step.after & keys) for step in second)
        return Plan(tuple(first), self.notices), Plan(later)


class Draft:
    """A plan being made: steps are added in order, and may name only steps that are there."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self.notices: list[str] = []

    def add(
        self,
        key: str,
        subject: str,
        doing: str,
        done: str,
        calls: Iterable[Call] = (),
        after: Iterable[str] = (),
        wait: Wait | None = None,
    ) -> str:
        """Add a step and return its key; what it should come after counts only if it is part of the plan."""
        known = frozenset(each for each in after if each in self._steps)
        self._steps.setdefault(key, Step(key, subject, doing, done, tuple(calls), known, wait))
        return key

    def keys(self, *prefixes: str) -> list[str]:
        """The keys of the steps of some kinds ("create:")."""
        return [key for key in self._steps if key.startswith(prefixes)]

    def plan(self) -> Plan:
        return Plan(tuple(self._steps.values()), tuple(self.notices))


def stop(name: str, seconds: int | None = None) -> Call:
    """Stop a container; one that is stopped or gone is fine."""
    query = {} if seconds is None else {"t": seconds}
    return Call("POST", f"/containers/{name}/stop", query, tolerated=(304, 404))


def remove(name: str, *, volumes: bool = False) -> Call:
    """Remove a container; one that is gone is fine."""
    query = {"force": True, **({"v": True} if volumes else {})}
    return Call("DELETE", f"/containers/{name}", query, tolerated=(404,))


def start(name: str) -> Call:
    """Start a container; one that runs is fine."""
    return Call("POST", f"/containers/{name}/start", tolerated=(304,))
