"""Published ports: the Engine API's PortBindings, what they mean, and Docker's words for what they cannot."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.model.errors import InvalidParameter
from linkspan.model.port_grammar import port_range, publish_requests, split_port
from linkspan.model.ports import PublishRequest


def one(host_port="", host_ip="", port="80/tcp"):
    return publish_requests({port: [{"HostIp": host_ip, "HostPort": host_port}]})


@pytest.mark.parametrize(
    ("host_port", "host_ip", "first", "last", "address"),
    [
        ("8080", "", 8080, 8080, None),
        ("", "", 0, 0, None),
        ("0", "0.0.0.0", 0, 0, "0.0.0.0"),
        ("8000-8010", "127.0.0.1", 8000, 8010, "127.0.0.1"),
        ("8080", "::1", 8080, 8080, "::1"),
        ("8080", "[::1]", 8080, 8080, "::1"),
    ],
)
def test_bindings(host_port, host_ip, first, last, address):
    wanted = PublishRequest("tcp", 80, ip_address(address) if address else None, first, last)
    assert one(host_port, host_ip) == (wanted,)


def test_protocols_and_order():
    bindings = {"53/udp": [{"HostPort": "53"}, {"HostPort": "54"}], "80": [{}], "7/sctp": None}
    assert [(r.protocol, r.container_port, r.first) for r in publish_requests(bindings)] == [
        ("udp", 53, 53),
        ("udp", 53, 54),
        ("tcp", 80, 0),
    ]


def test_publish_all_takes_the_exposed_ports_that_have_no_binding():
    requests = publish_requests(
        {"80/tcp": [{"HostPort": "8080"}], "7/tcp": []}, ["80/tcp", "90-91/udp"], True
    )
    assert [(r.protocol, r.container_port, r.first) for r in requests] == [
        ("tcp", 80, 8080),
        ("tcp", 7, 0),
        ("udp", 90, 0),
        ("udp", 91, 0),
    ]
    assert publish_requests({}, ["80/tcp"]) == ()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: one("abc"), 'invalid port specification: "abc"'),
        (lambda: one("70000"), 'invalid port specification: "70000"'),
        (lambda: one("٣"), 'invalid port specification: "٣"'),
        (lambda: one("8010-8000"), "invalid range specified for port: 8010-8000"),
        (lambda: one("80", port="80/icmp"), "invalid proto: icmp"),
        (lambda: one("80", port="0"), 'invalid port specification: "0"'),
        (lambda: one("80", port="80-81"), 'invalid port specification: "80-81"'),
        (lambda: one("80", "300.1.1.1"), "invalid IP address: 300.1.1.1"),
        (lambda: publish_requests({}, ["x/tcp"]), 'invalid port specification: "x"'),
    ],
)
def test_what_cannot_be(call, text):
    with pytest.raises(InvalidParameter) as caught:
        call()
    assert text in str(caught.value)


@given(st.text(max_size=12))
def test_any_text_is_understood_or_refused(text):
    for parse in (split_port, port_range):
        try:
            found = parse(text)
        except InvalidParameter:
            continue
        assert all(0 <= port <= 65535 for port in found[-2:])
