"""Ports of a running sandbox: added and taken back, others untouched, and a failure changes nothing."""

from __future__ import annotations

import pytest

from linkspan.blueprint.facts import Publish
from linkspan.model.errors import Conflict, LinkspanError, NotFound
from linkspan.model.ports import PublishRequest

MORE = PublishRequest("tcp", 81, None, 8081, 8081)
UDP = PublishRequest("udp", 53, None, 5300, 5300)


@pytest.fixture
def web(house):
    house.network("front", "10.5.0.0/24")
    return house.join("web", "front", publish=[(8080, 80)])


def ports(house):
    return sorted({fact.host_port for fact in house.firewall.of(Publish)})


def test_a_port_is_added_and_taken_back_and_the_others_stand(house, web):
    before, calls = house.snapshot(), []
    grown = house.controller.publish(web.container.id, [MORE, UDP], calls.append)
    assert calls == [grown] and grown.publish == (*web.publish, MORE, UDP)
    assert ports(house) == [5300, 8080, 8081]
    assert {each.host_port for each in house.proxy.served} == {5300, 8080, 8081}
    assert house.controller.sandbox(web.container.id) == grown
    assert house.controller.unpublish(web.container.id, [MORE, UDP]) == web
    assert house.snapshot() == before


def test_what_was_added_is_there_after_a_restart_of_the_daemon(house, web):
    grown = house.controller.publish(web.container.id, [MORE])
    before = house.snapshot()
    controller = house.restart()
    assert controller.sandbox(web.container.id) == grown
    after = house.snapshot()
    for what in ("facts", "served", "ports", "sandbox documents", "intents"):
        assert after[what] == before[what]
    controller.leave(web.container.id)
    assert not house.ports.held() and not house.proxy.served and not house.firewall.of(Publish)


def test_one_port_of_a_run_goes_and_the_run_is_split(house, web):
    run = [PublishRequest("tcp", port, None, port, port) for port in range(9000, 9005)]
    house.controller.publish(web.container.id, run)
    assert ports(house) == [8080, 9000]
    house.faults.arm(0)
    house.controller.unpublish(web.container.id, [run[2]])
    assert {each.host_port for each in house.proxy.served} == {8080, 9000, 9001, 9003, 9004}
    assert "reserve" not in house.faults.calls, "a port that stays was opened anew"
    assert {(fact.host_port, fact.count) for fact in house.firewall.of(Publish)} == {
        (8080, 1),
        (9000, 2),
        (9003, 2),
    }
    house.join("other", "front", publish=[(9002, 80)])
    with pytest.raises(LinkspanError, match=r"9003 failed: port is already allocated \(by container web\)"):
        house.join("third", "front", publish=[(9003, 80)])


def test_a_taken_port_names_who_has_it(house, web):
    other = house.join("other", "front")
    with pytest.raises(LinkspanError, match=r"8080 failed: port is already allocated \(by container web\)"):
        house.controller.publish(other.container.id, [PublishRequest("tcp", 80, None, 8080, 8080)])


def test_what_cannot_be_done_is_refused(house, web):
    house.network("shut", "10.6.0.0/24", internal=True)
    shut = house.join("shut", "shut")
    with pytest.raises(Conflict, match="on no bridge network with a way out"):
        house.controller.publish(shut.container.id, [MORE])
    house.controller.publish(web.container.id, [PublishRequest("tcp", 90)])
    with pytest.raises(Conflict, match="published on a host port of our choice already"):
        house.controller.publish(web.container.id, [PublishRequest("tcp", 90)])
    with pytest.raises(NotFound, match="No public port '81/tcp' published for web on host port 8081"):
        house.controller.unpublish(web.container.id, [MORE])


@pytest.mark.parametrize("change", ["publish", "unpublish"])
def test_a_failure_at_any_step_changes_nothing(house, web, change):
    run = [PublishRequest("udp", port, None, port, port) for port in range(9000, 9003)]
    if change == "unpublish":
        house.controller.publish(web.container.id, run)
        run = run[1:2]
    before = house.snapshot()
    step = 0
    while step < 20:
        step += 1
        house.faults.arm(step)
        try:
            getattr(house.controller, change)(web.container.id, run)
        except LinkspanError:
            assert house.snapshot() == before, f"step {step} changed something"
        else:
            break
    assert step > 3, "no step failed"
    house.faults.arm(0)


def test_a_record_that_cannot_be_written_takes_everything_back(house, web):
    def full(_sandbox):
        raise LinkspanError("no room")

    before = house.snapshot()
    with pytest.raises(LinkspanError, match="no room"):
        house.controller.publish(web.container.id, [MORE], full)
    with pytest.raises(LinkspanError, match="no room"):
        house.controller.unpublish(web.container.id, list(web.publish), full)
    assert house.snapshot() == before
