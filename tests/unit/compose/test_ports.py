"""Short and long form of published ports."""

from __future__ import annotations

import pytest

from linkspan.compose.ports import expand, span


def shown(value) -> list[str]:
    return [
        f"{each.get('host_ip', '')}|{each.get('published', '')}|{each['target']}/{each['protocol']}"
        for each in expand(value)
    ]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("80", ["||80/tcp"]),
        (80, ["||80/tcp"]),
        ("8080:80", ["|8080|80/tcp"]),
        ("8080:80/UDP", ["|8080|80/udp"]),
        ("127.0.0.1:8080:80", ["127.0.0.1|8080|80/tcp"]),
        ("127.0.0.1::80", ["127.0.0.1||80/tcp"]),
        ("[::1]:8080:80", ["::1|8080|80/tcp"]),
        ("8000-8001:80-81", ["|8000|80/tcp", "|8001|81/tcp"]),
        ("80-81", ["||80/tcp", "||81/tcp"]),
        ("8000-8010:80", ["|8000-8010|80/tcp"]),
        ({"target": 80}, ["||80/tcp"]),
        ({"target": "80", "published": 8080, "protocol": "udp"}, ["|8080|80/udp"]),
        ({"target": 80, "published": "8000-8010", "host_ip": "::1"}, ["::1|8000-8010|80/tcp"]),
    ],
)
def test_forms(text, entries):
    assert shown(text) == entries


def test_the_long_form_keeps_its_other_fields():
    entry = expand({"target": 80, "name": "web", "app_protocol": "http", "mode": "host"})[0]
    assert (entry["name"], entry["app_protocol"], entry["mode"]) == ("web", "http", "host")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x:y", "is not a port"),
        ("1:2:3:4", "is not a port"),
        ("80/xyz", "the protocol is none of tcp, udp, sctp"),
        ("example:80:80", "not an IP address"),
        ("300.0.0.1:80:80", "not an IP address"),
        ("8000-8002:80-81", "3 host ports cannot lead to 2 ports"),
        ("70000:80", "range of ports"),
        ("90-80", "range of ports"),
        ({"published": 80}, '"target" is missing'),
        ({"target": 80, "published": "x"}, "not a port"),
    ],
)
def test_refused(value, words):
    with pytest.raises(ValueError, match=words):
        expand(value)


def test_spans():
    assert list(span("8000-8002")) == [8000, 8001, 8002]
