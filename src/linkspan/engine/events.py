"""What happens, told to whoever listens: a bounded past and any number of subscribers.

Source: Docker Engine API, "Monitor events"; the past holds 256 events as in Docker.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linkspan.model.filters import labels_match
from linkspan.model.timestamps import SECOND

PAST = 256
BACKLOG = 4096
Filters = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `moment` is in ns since the epoch."""

    type: str
    action: str
    id: str
    attributes: Mapping[str, str]
    scope: str
    moment: int

    def document(self, legacy: bool = True) -> dict[str, Any]:
        """Return the API's shape; `legacy` adds status, id and from (API before 1.52)."""
        found: dict[str, Any] = {}
        if legacy and self.type in ("container", "image"):
            found = {"status": self.action, "id": self.id}
            if image := self.attributes.get("image"):
                found["from"] = image
        actor = {"ID": self.id, "Attributes": dict(self.attributes)}
        found |= {"Type": self.type, "Action": self.action, "Actor": actor, "scope": self.scope}
        return found | {"time": self.moment // SECOND, "timeNano": self.moment}


class Subscription:
    """The events of one listener, in order; ends by itself when `until` has passed."""

    def __init__(self, past: Sequence[Event], filters: Filters, until: int | None) -> None:
        self.filters = filters
        self._until = until
        self._queue: deque[Event] = deque(past)
        self._wake = asyncio.Event()
        self.closed = False

    def offer(self, event: Event) -> None:
        """Queue `event` if it matches; a listener too slow for BACKLOG events is dropped."""
        if self.closed or not matches(event, self.filters):
            return
        if len(self._queue) >= BACKLOG:
            self.closed = True  # what is queued is still read, and nothing more is kept
        else:
            self._queue.append(event)
        self._wake.set()

    def close(self) -> None:
        """End the subscription after what is queued."""
        self.closed = True
        self._wake.set()

    async def next(self) -> Event | None:
        """Return the next event, or None at the end."""
        while not self._queue:
            if self.closed or not await self._sleep():
                return None
        return self._queue.popleft()

    async def _sleep(self) -> bool:
        self._wake.clear()
        if self._until is None:
            await self._wake.wait()
            return True
        left = (self._until - time.time_ns()) / SECOND
        if left <= 0:
            return False
        try:
            await asyncio.wait_for(self._wake.wait(), left)
        except TimeoutError:
            return False
        return True


class Events:
    """The daemon's event bus; used from the event loop only."""

    def __init__(self) -> None:
        self._past: deque[Event] = deque(maxlen=PAST)
        self._subscriptions: set[Subscription] = set()

    @property
    def listeners(self) -> int:
        """Return how many listen."""
        return len(self._subscriptions)

    def publish(
        self, type: str, action: str, id: str, attributes: Mapping[str, str], scope: str = "local"
    ) -> None:
        """Tell every subscriber, and remember it."""
        event = Event(type, action, id, dict(attributes), scope, time.time_ns())
        self._past.append(event)
        for subscription in tuple(self._subscriptions):
            subscription.offer(event)

    def open(self, since: int | None, until: int | None, filters: Filters) -> Subscription:
        """Return a subscription that sees every event from now on, and the past from `since` (ns) on.

        The caller must hand it to `release` at the end.
        """
        past = [] if since is None and (until is None or until > time.time_ns()) else list(self._past)
        low, high = since or 0, until if until is not None else 1 << 63
        wanted = [event for event in past if low <= event.moment <= high and matches(event, filters)]
        subscription = Subscription(wanted, filters, until)
        self._subscriptions.add(subscription)
        return subscription

    def release(self, subscription: Subscription) -> None:
        """Forget `subscription`."""
        self._subscriptions.discard(subscription)

    async def subscribe(
        self, since: int | None = None, until: int | None = None, filters: Filters | None = None
    ) -> AsyncIterator[Event]:
        """Yield matching events: the past from `since` on, then what comes, until `until` (ns)."""
        subscription = self.open(since, until, filters or {})
        try:
            while (event := await subscription.next()) is not None:
                yield event
        finally:
            self.release(subscription)

    def close(self) -> None:
        """End every subscription."""
        for subscription in tuple(self._subscriptions):
            subscription.close()


_BY_NAME = ("container", "network", "volume", "plugin", "daemon", "service", "node", "secret", "config")
FILTERS = frozenset({*_BY_NAME, "event", "image", "label", "scope", "type"})


def matches(event: Event, filters: Filters) -> bool:
    """Return whether `event` passes every filter. Source: moby daemon/events/filter.go."""
    if (wanted := filters.get("type")) and event.type not in wanted:
        return False
    if (wanted := filters.get("scope")) and event.scope not in wanted:
        return False
    if (wanted := filters.get("event")) and not _action_matches(event.action, wanted):
        return False
    if (wanted := filters.get("label")) and not labels_match(event.attributes, wanted):
        return False
    if (wanted := filters.get("image")) and not _image_matches(event, wanted):
        return False
    return all(_named(event, kind, wanted) for kind in _BY_NAME if (wanted := filters.get(kind)))


def _action_matches(action: str, wanted: Sequence[str]) -> bool:
    return action in wanted or action.split(":", 1)[0] in wanted


def _named(event: Event, kind: str, wanted: Sequence[str]) -> bool:
    if event.type != kind:
        return False
    name = event.attributes.get("name", "")
    return any(event.id.startswith(value) or name.startswith(value) for value in wanted)


def _image_matches(event: Event, wanted: Sequence[str]) -> bool:
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    names = {event.id, name, name.rsplit(":", 1)[0]}
    return any(value in names for value in wanted)
