"""The grammar of -p."""

from __future__ import annotations

import pytest

from linkspan.cli.flags import UsageError
from linkspan.cli.publish import exposed, published


def binding(port, host="", address=""):
    return {port: [{"HostIp": address, "HostPort": host}]}


@pytest.mark.parametrize(
    ("text", "bindings"),
    [
        ("80", binding("80/tcp")),
        ("8080:80", binding("80/tcp", "8080")),
        ("53:53/udp", binding("53/udp", "53")),
        ("127.0.0.1:8080:80", binding("80/tcp", "8080", "127.0.0.1")),
        ("127.0.0.1::80", binding("80/tcp", "", "127.0.0.1")),
        ("[::1]:8080:80", binding("80/tcp", "8080", "::1")),
        ("::1:8080:80", binding("80/tcp", "8080", "::1")),
        ("[::1]::80", binding("80/tcp", "", "::1")),
        ("8000-8010:80", binding("80/tcp", "8000-8010")),
        ("8000-8001:80-81", {**binding("80/tcp", "8000"), **binding("81/tcp", "8001")}),
        ("80-81/sctp", {**binding("80/sctp"), **binding("81/sctp")}),
    ],
)
def test_grammar(text, bindings):
    assert published([text]) == bindings


def test_one_port_may_be_published_twice():
    assert published(["8080:80", "8081:80"]) == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "", "HostPort": "8081"}]
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "No port specified"),
        ("x", "Invalid containerPort: x"),
        ("80:x", "Invalid containerPort: x"),
        ("x:80", "Invalid hostPort: x"),
        ("99999:80", "Invalid hostPort: 99999"),
        ("80:99999", "Invalid containerPort: 99999"),
        ("10-9:80", "Invalid hostPort"),
        ("8000-8002:80-81", "Invalid ranges specified"),
        ("80/icmp", "Invalid proto: icmp"),
        ("1.2.3:80:80", "Invalid ip address: 1.2.3"),
        ("[::1:80:80", "Invalid ip address"),
    ],
)
def test_wrong_texts(text, complaint):
    with pytest.raises(UsageError, match=complaint):
        published([text])


def test_exposed():
    assert exposed(["80", "53/udp", "8000-8001"]) == ["80/tcp", "53/udp", "8000/tcp", "8001/tcp"]
    with pytest.raises(UsageError):
        exposed(["80:80"])
