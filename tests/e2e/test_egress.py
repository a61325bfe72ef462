"""Where a network may go: addresses and names, with real packets and a real name server, on both filters.

internet: 198.51.100.1 and 203.0.113.77 serve HTTP; its name server says 203.0.113.77 for every name
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkspan.lab import Lab

BY_NAME, BY_ADDRESS, BY_IPV6 = "203.0.113.77", "198.51.100.1", "[2001:db8:1::1]"
SERVER = str(Path(__file__).with_name("name_server.py"))
OPTION = "linkspan.egress.allow"


@pytest.fixture(scope="module", params=["iptables", "nftables"])
def walled(request) -> Iterator[Lab]:
    with Lab() as lab:
        lab.run("internet", "ip", "addr", "add", f"{BY_NAME}/32", "dev", "lo")
        log = lab.directory / "asked"
        serve = f"exec {sys.executable} {SERVER} 198.51.100.53 >{log}"
        lab.start("internet", "bash", "-c", serve)
        lab.serve_http("internet", 80, "outside")
        lab.daemon(f"--firewall-backend={request.param}")
        allowed = f"{OPTION}=198.51.100.0/28,good.example,*.cdn.example"
        lab.docker("network", "create", "-o", allowed, "walled")
        lab.docker("network", "create", "-o", f"{OPTION}=", "--ipv6", "sealed")
        serve_web = ("busybox", "httpd", "-f", "-h", "/etc")
        lab.docker("run", "-d", "--name=web", "--network=walled", "-p", "8080:80", *serve_web)
        lab.docker("run", "-d", "--name=peer", "--network=walled", "busybox", "sleep", "999")
        lab.docker("run", "-d", "--name=mute", "--network=sealed", "busybox", "sleep", "999")
        yield lab


def fetched(lab: Lab, name: str, url: str) -> bool:
    """Whether a container gets an HTTP answer: by its resolver if `url` is a name."""
    if url[0] not in "0123456789[":
        command = ("exec", name, "timeout", "1", "wget", "-qO/dev/null", f"http://{url}/")
        return lab.docker(*command, check=False).code == 0
    key = lab.docker("inspect", "-f", "{{.NetworkSettings.SandboxKey}}", name).text
    curl = ("curl", "-s", "-g", "-o", "/dev/null", "--max-time", "0.4", f"http://{url}/")
    return lab.run("host", "nsenter", f"--net={key}", *curl, check=False).code == 0


def asked(lab: Lab) -> str:
    return (lab.directory / "asked").read_text()


def test_addresses_on_the_list_are_reached_and_others_not(walled):
    assert fetched(walled, "web", BY_ADDRESS)
    assert not fetched(walled, "web", BY_NAME)
    assert not fetched(walled, "mute", BY_ADDRESS)
    assert not fetched(walled, "mute", BY_IPV6)
    walled.docker("network", "create", "--ipv6", "-o", f"{OPTION}=2001:db8:1::/64", "six")
    walled.docker("run", "-d", "--name=six", "--network=six", "busybox", "sleep", "99")
    assert fetched(walled, "six", BY_IPV6)
    assert not fetched(walled, "six", BY_ADDRESS)
    walled.docker("rm", "-f", "six")
    walled.docker("network", "rm", "six")


def test_names_on_the_list_open_the_way_to_their_addresses_for_their_network_alone(walled):
    assert fetched(walled, "peer", "good.example")
    assert fetched(walled, "peer", BY_NAME), "the answer lives on"
    assert fetched(walled, "peer", "a.b.cdn.example")
    assert not fetched(walled, "mute", BY_NAME)


def test_other_names_are_not_asked_outside(walled):
    for name, seat in (
        ("secret.example", "web"),
        ("cdn.example", "web"),
        ("x.good.example", "web"),
        ("good.example", "mute"),
    ):
        answer = walled.docker("exec", seat, "nslookup", name, check=False)
        assert answer.code != 0 and "REFUSED" in answer.both, name
    assert walled.docker("exec", "web", "nslookup", "peer").code == 0
    for name in ("secret", "x.good", " cdn.example"):
        assert name not in asked(walled)


def test_what_comes_in_is_answered_and_peers_talk(walled):
    command = ("curl", "-s", "-o", "/dev/null", "--max-time", "1", "http://10.0.0.5:8080/hosts")
    assert walled.run("lan", *command, check=False).code == 0
    assert walled.docker("exec", "peer", "wget", "-qO/dev/null", "http://web/hosts").code == 0


def test_the_list_stands_after_a_crash_and_names_open_again(walled):
    keys = walled.docker("inspect", "-f", "{{.NetworkSettings.SandboxKey}}", "web", "mute").lines
    walled.kill_daemon()
    curl = ("curl", "-s", "-o", "/dev/null", "--max-time", "0.5", f"http://{BY_ADDRESS}/")
    answers = [walled.run("host", "nsenter", f"--net={key}", *curl, check=False).code for key in keys]
    assert answers[0] == 0 and answers[1] != 0
    backend = (
        "iptables" if walled.run("host", "iptables", "-S", "DOCKER", check=False).code == 0 else "nftables"
    )
    walled.daemon(f"--firewall-backend={backend}")
    assert not fetched(walled, "peer", BY_NAME)
    assert not fetched(walled, "mute", BY_ADDRESS)
    deadline = time.monotonic() + 5
    while not fetched(walled, "peer", "good.example"):
        assert time.monotonic() < deadline


def test_nothing_is_left_of_a_network_that_goes(walled):
    before = walled.snapshot()
    walled.docker("network", "create", "-o", f"{OPTION}=good.example,192.0.2.0/24", "brief")
    walled.docker("run", "--rm", "--network=brief", "busybox", "nslookup", "good.example")
    walled.docker("network", "rm", "brief")
    left = before.difference(walled.snapshot())
    assert not left, left


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("10.0.0.1/8", "10.0.0.0/8 is the subnet"),
        ("-bad-.example", "is no address and no subnet"),
        ("10.0.0.0/8,,*", '"*" is no address'),
    ],
)
def test_lists_that_cannot_be_are_refused(walled, value, words):
    refused = walled.docker("network", "create", "-o", f"{OPTION}={value}", "bad", check=False)
    assert refused.code == 1 and words in refused.err
    assert "bad" not in walled.docker("network", "ls").out


def test_lists_that_nothing_would_enforce_are_refused(walled):
    for flags, words in (
        ("--internal", "has no way out at all"),
        ("--driver=macvlan", "needs the driver bridge"),
    ):
        refused = walled.docker("network", "create", flags, "-o", f"{OPTION}=10.0.0.0/8", "bad", check=False)
        assert refused.code == 1 and words in refused.err
