"""What a capture listens to: the interface, the namespace, the filter, or why there is nothing to hear."""

from __future__ import annotations

import pytest

from linkspan.insight.capturing import Listening, Silent, joined, listening
from linkspan.insight.scope import Unknown

POINT = {"Link": "eth0", "Bridge": "br-a", "IPv4": "10.5.0.2/24", "IPv6": ""}


def container(name, **fields):
    return {
        "Id": name * 16,
        "Name": name,
        "State": "running",
        "Mode": "a",
        "Sandbox": f"/netns/{name}",
        "Ports": [],
        "Endpoints": [POINT],
        **fields,
    }


def network(name, **fields):
    base = {
        "Id": name * 20,
        "Name": name,
        "Driver": "bridge",
        "Bridge": f"br-{name}",
        "Index": 7,
        "Parent": "",
    }
    return {**base, "Subnets": [{"Subnet": "10.5.0.0/24"}], "Addresses": ["10.5.0.1/24"], **fields}


PORT = {"Protocol": "tcp", "HostIp": "0.0.0.0", "HostPort": 8080, "ContainerPort": 80, "Count": 2}
SURVEY = {
    "Host": {"Interfaces": [{"Index": 2, "Addresses": ["10.0.0.5/24", "fd00::5/64"]}]},
    "Networks": [
        network("a"),
        network("both"),
        network("lan", Driver="macvlan", Bridge="", Index=0, Parent="eth1"),
        network("host", Driver="host", Bridge=""),
    ],
    "Containers": [
        container("web", Ports=[PORT]),
        container("two", Endpoints=[POINT, POINT]),
        container("down", State="exited"),
        container("both"),
        container("guest", Mode="container:web"),
        container("flat", Mode="host"),
        container("alone", Endpoints=[]),
    ],
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web", Listening("/netns/web", "eth0")),
        ("webwebw", Listening("/netns/web", "eth0")),
        ("two", Listening("/netns/two", "any")),
        ("a", Listening("", "br-a")),
        ("network:both", Listening("", "br-both")),
        ("container:both", Listening("/netns/both", "eth0")),
        ("lan", Listening("", "eth1", "net 10.5.0.0/24")),
    ],
)
def test_a_container_is_heard_inside_and_a_network_on_its_bridge(name, expected):
    assert listening(SURVEY, name) == expected


def test_a_port_is_heard_before_and_after_the_translation():
    found = listening(SURVEY, "8081")
    assert (found.sandbox, found.interface) == ("", "any")
    before, after = found.filter.split(" or (tcp and ifindex ")
    assert "dst port 8081" in before and "dst host 10.0.0.5" in before and "ifindex 2" in before
    assert "fd00::5" not in before
    assert after == "7 and ((dst port 81 and dst host 10.5.0.2) or (src port 81 and src host 10.5.0.2)))"
    assert listening(SURVEY, "port:0.0.0.0:8081") == found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("down", "not running: linkspan start down"),
        ("guest", "name web"),
        ("flat", "has the host's network"),
        ("alone", "network connect NETWORK alone"),
        ("host", "no bridge of its own"),
    ],
)
def test_why_there_is_nothing_to_hear(name, text):
    with pytest.raises(Silent, match=text):
        listening(SURVEY, name)


@pytest.mark.parametrize("name", ["nobody", "8082", "8080/udp", "port:web", "127.0.0.1:8080", "we"])
def test_an_unknown_name(name):
    with pytest.raises(Unknown, match=f'published port is called "{name}"'):
        listening(SURVEY, name)


def test_an_ambiguous_name():
    with pytest.raises(Unknown, match="container:both or network:both"):
        listening(SURVEY, "both")


def test_filters_are_joined():
    assert joined("", "") == ""
    assert joined("", " udp ") == "(udp)"
    assert joined("net 10.0.0.0/8", "udp or icmp") == "(net 10.0.0.0/8) and (udp or icmp)"
