"""FROM and TO."""

from __future__ import annotations

import pytest

from linkspan.insight.trace.seats import packet, start, target
from linkspan.model.errors import InvalidParameter, NotFound


def first(seen, begin, aim):
    return str(packet(seen, start(seen, begin), target(aim)))


def test_names_become_addresses(seen):
    assert first(seen, "web", "db:5432") == "tcp 0.0.0.0:40000 → 172.18.0.3:5432"
    assert first(seen, "host", "web:80/udp") == "udp 0.0.0.0:40000 → 172.17.0.2:80"
    assert first(seen, "lan", "host:8080") == "tcp 10.0.0.1:40000 → 10.0.0.5:8080"
    assert first(seen, "db", "internet") == "icmp 0.0.0.0 → 198.51.100.1"
    assert first(seen, "10.0.0.77", "172.17.0.2:80") == "tcp 10.0.0.77:40000 → 172.17.0.2:80"
    assert first(seen, "host", "[fd00::1]:80") == "tcp :::40000 → [fd00::1]:80".replace(":::", "[::]:")


def test_seats(seen):
    assert start(seen, "web").place == "/run/1"
    assert start(seen, "172.18.0.3").place == "/run/2"
    assert start(seen, "10.0.0.5").place == ""
    assert start(seen, "direct").place == ""
    assert start(seen, "side").place == "/run/1"  # in web's namespace
    assert first(seen, "db", "side:80") == "tcp 0.0.0.0:40000 → 172.18.0.2:80"
    assert first(seen, "side", "web:80") == "tcp 0.0.0.0:40000 → 127.0.0.1:80"
    assert start(seen, "lan").outside == "lan"


@pytest.mark.parametrize(
    ("begin", "aim", "error", "words"),
    [
        ("nobody", "web", NotFound, '"nobody" is no container'),
        ("off", "web", InvalidParameter, "container off is not running"),
        ("web", "off:80", InvalidParameter, "container off is not running"),
        ("web", "db:80/sctp", InvalidParameter, '"sctp" is no protocol that can be traced'),
        ("web", "db:99999", InvalidParameter, "needs a port from 1 to 65535"),
        ("web", "db/udp", InvalidParameter, "udp needs a port"),
        ("web", "", InvalidParameter, "is no destination"),
        ("10.0.0.9", "[fd00::1]:80", InvalidParameter, "different address families"),
    ],
)
def test_bad_input(seen, begin, aim, error, words):
    with pytest.raises(error, match=words):
        first(seen, begin, aim)


def test_an_ambiguous_id(seen):
    for container in seen["Containers"]:
        container["Id"] = "abc" + container["Id"]
    with pytest.raises(InvalidParameter, match="the begin of several ids"):
        start(seen, "abc")
