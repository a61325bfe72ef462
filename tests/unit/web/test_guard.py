"""Who is let in: the token, the names that a request may ask by, the addresses to listen at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.model.errors import InvalidParameter
from linkspan.web.guard import HEADERS, Guard, check_place, new_token, url

GUARD = Guard("127.0.0.1", 8089, "secret")
EVERYWHERE = Guard("0.0.0.0", 8089, "secret")
LAN = Guard("192.0.2.7", 8089, "secret")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8089",
        "localhost:8089",
        "LOCALHOST",
        "[::1]:8089",
        "127.0.0.1:9000",
        "127.1.2.3",
        "localhost",
    ],
)
def test_loopback_names_are_served_at_any_port(host):
    assert GUARD.refusal(host, "") == ""


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example:8089",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.0.2.7:8089",
        "[::1",
        "a@b:x",
    ],
)
def test_names_that_others_can_give_away_are_not(host):
    assert "not served as" in GUARD.refusal(host, "same-origin")


def test_the_address_listened_at_is_served_and_every_one_when_it_is_all():
    assert LAN.refusal("192.0.2.7:8089", "") == ""
    assert LAN.refusal("192.0.2.8:8089", "") != ""
    assert EVERYWHERE.refusal("192.0.2.8:8089", "") == ""
    assert EVERYWHERE.refusal("evil.example", "") != ""


@pytest.mark.parametrize(
    ("site", "taken"), [("", 1), ("none", 1), ("same-origin", 1), ("same-site", 0), ("cross-site", 0)]
)
def test_pages_of_other_sites_ask_in_vain(site, taken):
    assert bool(GUARD.refusal("localhost", site)) != bool(taken)


@given(st.text())
def test_any_host_header_is_served_or_refused(host):
    assert isinstance(GUARD.refusal(host, ""), str)


def test_only_the_right_cookie_lets_in():
    assert GUARD.admits({"linkspan-8089": "secret"})
    assert not GUARD.admits({"linkspan-8089": "Secret"})
    assert not GUARD.admits({"linkspan-8090": "secret"})
    assert not GUARD.admits({"linkspan-8089": ""})
    assert not GUARD.knows("é")
    assert Guard("127.0.0.1", 8089, "").admits({})


def test_tokens_are_long_never_twice_the_same_and_fit_into_a_url():
    tokens = {new_token() for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(each) >= 22 and each.replace("-", "").replace("_", "").isalnum() for each in tokens)


def test_the_url_names_address_port_and_token():
    assert url(GUARD) == "http://127.0.0.1:8089/?token=secret"
    assert url(Guard("::1", 80, "")) == "http://[::1]:80/"


def test_loopback_is_fine_and_others_are_asked_for_and_warned_of():
    assert check_place("127.0.0.1", remote=False, token=False) == ""
    assert check_place("::1", remote=False, token=True) == ""
    assert "plain HTTP" in check_place("192.0.2.7", remote=True, token=True)


@pytest.mark.parametrize(
    ("address", "remote", "token", "complaint"),
    [
        ("192.0.2.7", False, True, "add --remote"),
        ("0.0.0.0", False, True, "add --remote"),
        ("::", True, False, "--no-token is for loopback"),
        ("home", True, True, '"home" is no address'),
        ("", True, True, '"" is no address'),
    ],
)
def test_places_that_cannot_be_are_refused(address, remote, token, complaint):
    with pytest.raises(InvalidParameter, match=complaint):
        check_place(address, remote, token)


def test_the_policy_forbids_what_comes_from_elsewhere_or_stands_in_the_page():
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy and "*" not in policy and "http" not in policy
    assert "Access-Control-Allow-Origin" not in HEADERS
