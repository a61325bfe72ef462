from __future__ import annotations

from collections import Counter
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkspan.blueprint.facts import Fact, Fence, Publish, SkipOwnBridge
from linkspan.firewall.ledger import Ledger

ANY, WEB = ip_address("0.0.0.0"), ip_address("172.17.0.2")
ONE = Publish("tcp", ANY, 8080, WEB, 80, "docker0", own_bridge=True)
TWO = Publish("tcp", ANY, 8081, WEB, 80, "docker0", own_bridge=True)
SKIP = SkipOwnBridge("docker0")


def texts(elements: object) -> set[str]:
    return {element.text() for element in elements}


def test_what_two_facts_share_comes_with_the_first_and_goes_with_the_last() -> None:
    ledger = Ledger()
    assert len(ledger.take([ONE])) == 3
    assert texts(ledger.take([TWO])) == {"ports_any { tcp . 8081 : 172.17.0.2 . 80 }"}
    assert ledger.take([ONE]) == []
    assert ledger.release([ONE]) == []
    assert texts(ledger.release([ONE])) == {"ports_any { tcp . 8080 : 172.17.0.2 . 80 }"}
    assert len(ledger.release([TWO])) == 3
    assert ledger.elements(4) == ledger.elements(6) == []


def test_unknown_facts_are_released_without_a_trace() -> None:
    ledger = Ledger()
    ledger.take([ONE])
    assert ledger.release([TWO, SKIP]) == []
    assert len(ledger.release([ONE])) == 3


def test_what_cannot_be_rendered_books_nothing() -> None:
    ledger = Ledger()
    with pytest.raises(ValueError, match=r"the published port 0.0.0.0:70000/tcp: there is no port 70000"):
        ledger.take([ONE, Publish("tcp", ANY, 70000, WEB, 80, "docker0")])
    assert ledger.elements(4) == []


def test_a_bridge_without_skip_needs_an_element_for_its_own_ports() -> None:
    proxied = Publish("tcp", ANY, 8080, WEB, 80, "docker0")
    own = 'own_ports { "docker0" . 0.0.0.0-255.255.255.255 . tcp . 8080 }'
    ledger = Ledger()
    assert own in texts(ledger.take([proxied]))
    ledger.take([SKIP])
    assert own in texts(ledger.release([proxied]))
    assert own not in texts(ledger.take([proxied]))
    ledger.release([SKIP])
    assert own not in texts(ledger.release([proxied]))
    assert own not in texts(ledger.take([ONE]))
    routed = Publish("tcp", ANY, 0, WEB, 81, "docker0", nat=False)
    assert texts(ledger.take([routed])) == {"open_ports { 172.17.0.2 . tcp . 81 }"}


def test_a_run_that_crosses_another_is_opened_port_by_port() -> None:
    wide = Publish("tcp", ip_address("10.0.0.5"), 8000, WEB, 9000, "docker0", count=4, own_bridge=True)
    narrow = Publish("tcp", ip_address("10.0.0.6"), 9000, WEB, 9000, "docker0", count=2, own_bridge=True)
    other = Publish("udp", ip_address("10.0.0.6"), 9000, WEB, 9000, "docker0", count=2, own_bridge=True)
    ledger = Ledger()
    assert "open_ranges { 172.17.0.2 . tcp . 9000-9003 }" in texts(ledger.take([wide]))
    crossing = ledger.take([narrow, narrow, other])
    assert texts(crossing) == {
        "ranges { 10.0.0.6 . tcp . 9000-9001 : 172.17.0.2 }",
        "ranges { 10.0.0.6 . udp . 9000-9001 : 172.17.0.2 }",
        "open_ranges { 172.17.0.2 . udp . 9000-9001 }",
        "open_ports { 172.17.0.2 . tcp . 9000 }",
        "open_ports { 172.17.0.2 . tcp . 9001 }",
    }
    ledger.release([wide, narrow])
    assert "open_ports { 172.17.0.2 . tcp . 9000 }" in texts(ledger.release([narrow]))
    assert "open_ranges { 172.17.0.2 . tcp . 9000-9001 }" in texts(ledger.take([narrow]))
    ledger.release([narrow, other])
    assert ledger.elements(4) == []


def test_the_bridges_of_networks_with_a_way_out() -> None:
    ledger = Ledger()
    ledger.take(
        [
            Fence("docker0", ip_network("172.17.0.0/16")),
            Fence("br-i", ip_network("172.18.0.0/16"), internal=True),
            Fence("br-6", ip_network("fd00::/64")),
        ]
    )
    assert ledger.bridges(4) == {"docker0"}
    assert ledger.bridges(6) == {"br-6"}


publishes = st.builds(
    Publish,
    st.sampled_from(["tcp", "udp"]),
    st.sampled_from([ANY, ip_address("10.0.0.5"), ip_address("10.0.0.6")]),
    st.integers(8000, 8006),
    st.sampled_from([WEB, ip_address("172.17.0.3")]),
    st.integers(8000, 8006),
    st.just("docker0"),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)
facts = st.one_of(publishes, st.just(SKIP), st.just(Fence("docker0", ip_network("172.17.0.0/16"))))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), facts), max_size=40))
def test_books_are_always_balanced(steps: list[tuple[bool, Fact]]) -> None:
    """What was told to be added and removed adds up to what should stand; intervals never overlap."""
    ledger, standing, booked = Ledger(), set(), Counter()
    for adding, fact in steps:
        if adding:
            fresh = ledger.take([fact])
            assert not standing & set(fresh) and len(set(fresh)) == len(fresh)
            standing |= set(fresh)
            booked[fact] += 1
        else:
            doomed = ledger.release([fact])
            assert standing >= set(doomed) and len(set(doomed)) == len(doomed)
            standing -= set(doomed)
            booked[fact] -= bool(booked[fact])
        assert set(ledger.elements(4)) == standing
        runs = [element for element in standing if element.of.name == "open_ranges"]
        for one in runs:
            for other in runs:
                crosses = one.key[:8] == other.key[:8] and one.key <= other.end and other.key <= one.end
                assert one is other or not crosses
    ledger.release(booked.elements())
    assert ledger.elements(4) == []
