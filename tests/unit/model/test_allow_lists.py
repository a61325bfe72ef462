"""Allow-lists: what a label means, and what is refused because it would protect nothing."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.model.allow_lists import LONGEST, parse_sources, restricted
from linkspan.model.errors import InvalidParameter
from linkspan.model.ports import PublishRequest

TEN, SIX = ip_network("10.0.0.0/8"), ip_network("fd00::/8")
FIXED = PublishRequest("tcp", 80, None, 8080, 8080)
FIXED_UDP = PublishRequest("udp", 80, None, 8080, 8080)
CHOSEN = PublishRequest("tcp", 443)


def sources(requests, **labels):
    given = {f"linkspan.allow.{key.replace('_', '/').lstrip('p')}": value for key, value in labels.items()}
    return [request.sources for request in restricted(requests, given)]


def test_lists_of_both_families_are_joined():
    assert parse_sources("fd00::/8, 10.0.0.0/9,10.128.0.0/9,10.1.2.3") == (TEN, SIX)
    assert parse_sources("192.0.2.7") == (ip_network("192.0.2.7/32"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", '"" is no address'),
        ("10.0.0.0/8,", '"" is no address'),
        ("10.0.0.1/8", "10.0.0.0/8 is the subnet"),
        ("example.org", '"example.org" is no address and no subnet'),
        ("10.0.0.0/33", "no address and no subnet"),
        (",".join(f"10.0.{n}.0/31" for n in range(LONGEST + 1)), "65 subnets are too many"),
    ],
)
def test_lists_that_cannot_be_read(text, words):
    with pytest.raises(ValueError, match=words):
        parse_sources(text)
    with pytest.raises(InvalidParameter, match=r"invalid label linkspan\.allow\.8080="):
        restricted([FIXED], {"linkspan.allow.8080": text})


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        found = parse_sources(text)
    except ValueError:
        return
    assert found


def test_a_label_means_the_host_port_or_the_containers_where_the_host_chooses():
    requests = [FIXED, FIXED_UDP, CHOSEN]
    assert sources(requests, p8080="10.0.0.0/8") == [(TEN,), (TEN,), ()]
    assert sources(requests, p8080_udp="10.0.0.0/8") == [(), (TEN,), ()]
    assert sources(requests, p443="fd00::/8") == [(), (), (SIX,)]
    run = [PublishRequest("tcp", 80 + n, ip_address("10.0.0.5"), 8000 + n, 8000 + n) for n in range(3)]
    assert sources(run, **{"p8001-8002": "10.0.0.0/8"}) == [(), (TEN,), (TEN,)]
    assert sources(requests) == [(), (), ()]


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("80", "no port 80 is published"),
        ("8081", "no port 8081 is published"),
        ("8080/sctp", "no port 8080/sctp is published"),
        ("8080/icmp", "invalid proto: icmp"),
        ("", "invalid port specification"),
        ("http", 'invalid port specification: "http"'),
    ],
)
def test_a_label_that_protects_nothing_is_refused(label, words):
    with pytest.raises(InvalidParameter, match=words):
        restricted([FIXED], {f"linkspan.allow.{label}": "10.0.0.0/8"})


def test_one_port_of_the_container_has_one_list():
    again = PublishRequest("tcp", 80, None, 9090, 9090)
    same = {"linkspan.allow.8080": "10.0.0.0/8", "linkspan.allow.9090": "10.0.0.0/8"}
    assert [request.sources for request in restricted([FIXED, again], same)] == [(TEN,), (TEN,)]
    assert sources([FIXED, again], p8080="10.0.0.0/8") == [(TEN,), ()]
    with pytest.raises(InvalidParameter, match="published twice with different"):
        restricted([FIXED, again], {**same, "linkspan.allow.9090": "fd00::/8"})
