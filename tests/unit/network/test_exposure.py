"""Exposures: which ports pass the host's firewall, told with who reaches them."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from linkspan.firewall.guards import Guard
from linkspan.model.ports import PublishRequest
from linkspan.network.exposure import exposures

UFW = Guard("ufw", (4,), (("tcp", range(22, 23)),))
UFW6 = Guard("ufw", (6,))
HOST = [
    ip_interface(text) for text in ("127.0.0.1/8", "10.0.0.5/24", "172.17.0.1/16", "fd00::5/64", "fe80::1/64")
]
OWN = [ip_network("172.17.0.0/16")]


def told(*requests, guards=(UFW, UFW6)):
    return exposures(requests, guards, HOST, OWN)


def test_ports_are_told_once_for_both_families_in_their_order():
    (sentence,) = told(PublishRequest("tcp", 80), PublishRequest("tcp", 80, None, 8080, 8080))
    assert sentence.startswith(
        "published past ufw, which drops what comes in by default: 8080/tcp, a port for 80/tcp,"
        " open to whoever reaches 10.0.0.5, fd00::5."
    )
    assert "linkspan.allow.8080=SUBNET" in sentence


@pytest.mark.parametrize(
    "request_",
    [
        PublishRequest("tcp", 80, ip_address("127.0.0.1"), 8080, 8080),
        PublishRequest("tcp", 80, ip_address("::1"), 8080, 8080),
        PublishRequest("tcp", 80, None, 8080, 8080, (ip_network("10.0.0.0/8"),)),
        PublishRequest("tcp", 22, None, 22, 22),
    ],
)
def test_what_passes_nobody(request_):
    assert told(request_) == []


def test_a_guard_of_one_family_says_nothing_of_the_other():
    six = PublishRequest("udp", 53, ip_address("fd00::5"), 53, 53)
    assert told(six, guards=[UFW]) == []
    assert "53/udp, open to whoever reaches fd00::5." in told(six)[0]
    assert "reaches 10.0.0.5." in told(PublishRequest("tcp", 80, ip_address("10.0.0.5"), 80, 80))[0]
    assert "reaches 10.0.0.77." in told(PublishRequest("tcp", 80, ip_address("10.0.0.77"), 80, 80))[0]


def test_long_lists_are_cut():
    many = [PublishRequest("tcp", port, None, port, port) for port in range(8000, 8010)]
    assert "8004/tcp, 5 more, open" in told(*many)[0]


def test_no_guard_no_word():
    assert told(PublishRequest("tcp", 80), guards=[]) == []
