"""The event bus: filters, the past, and when a subscription ends."""

from __future__ import annotations

import time

import pytest

from linkspan.engine import events
from linkspan.engine.events import Event, Events, matches


def event(**fields: object) -> Event:
    values = {
        "type": "container",
        "action": "start",
        "id": "abc",
        "attributes": {"name": "web", "image": "busybox:1", "l": "v"},
        "scope": "local",
        "moment": 5_000_000_001,
    }
    return Event(**(values | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({}, True),
        ({"type": ["container"]}, True),
        ({"type": ["network"]}, False),
        ({"event": ["start", "die"]}, True),
        ({"event": ["die"]}, False),
        ({"scope": ["swarm"]}, False),
        ({"label": ["l=v"]}, True),
        ({"label": ["l=x"]}, False),
        ({"image": ["busybox"]}, True),
        ({"image": ["busybox:1"]}, True),
        ({"image": ["nginx"]}, False),
        ({"container": ["web"]}, True),
        ({"container": ["ab"]}, True),
        ({"container": ["db"]}, False),
        ({"network": ["web"]}, False),
    ],
)
def test_filters(filters: dict[str, list[str]], passes: bool) -> None:
    assert matches(event(), filters) is passes


def test_an_action_with_a_detail_is_found_by_its_first_word() -> None:
    assert matches(event(action="exec_create: sh -c ls"), {"event": ["exec_create"]})
    assert matches(event(action="health_status: healthy"), {"event": ["health_status"]})


def test_document() -> None:
    document = event().document()
    assert document["status"] == "start"
    assert document["from"] == "busybox:1"
    assert document["Actor"] == {"ID": "abc", "Attributes": event().attributes}
    assert (document["time"], document["timeNano"]) == (5, 5_000_000_001)
    assert "status" not in event().document(legacy=False)
    assert "status" not in event(type="network").document()


async def test_a_subscriber_sees_what_comes() -> None:
    bus = Events()
    subscription = bus.open(None, None, {"event": ["die"]})
    bus.publish("container", "start", "1", {})
    bus.publish("container", "die", "1", {"exitCode": "0"})
    bus.close()
    found = await subscription.next()
    assert found is not None
    assert found.attributes == {"exitCode": "0"}
    assert await subscription.next() is None
    bus.release(subscription)
    assert bus.listeners == 0


async def test_the_past_is_given_on_request_and_bounded() -> None:
    bus = Events()
    for number in range(events.PAST + 5):
        bus.publish("container", "start", str(number), {})
    ids = [e.id async for e in bus.subscribe(since=1, until=time.time_ns())]
    assert len(ids) == events.PAST
    assert ids[0] == "5"


async def test_a_subscription_ends_when_its_time_has_come() -> None:
    bus = Events()
    found = [e async for e in bus.subscribe(until=time.time_ns() + 50_000_000)]
    assert found == []


async def test_a_listener_that_does_not_listen_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BACKLOG", 2)
    bus = Events()
    subscription = bus.open(None, None, {})
    for number in range(4):
        bus.publish("container", "start", str(number), {})
    assert subscription.closed
    kept = [(await subscription.next()), (await subscription.next()), (await subscription.next())]
    assert [each and each.id for each in kept] == ["0", "1", None]
