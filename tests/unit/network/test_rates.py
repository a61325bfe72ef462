"""Rates: tc's words, and where the token buckets stand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.blueprint.parts import Shaper
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Endpoint, EndpointConfig, Network
from linkspan.network.rates import check_rates, parse_rate, shapers

BRIDGE = Network("n", "front", "bridge", "")


def config(**options):
    return EndpointConfig(
        driver_opts=tuple((f"linkspan.{key.replace('_', '.')}", value) for key, value in options.items())
    )


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10mbit", 10_000_000),
        ("1.5Gbit", 1_500_000_000),
        ("8000bit", 8_000),
        ("500kbps", 4_000_000),
        (" 1 tbit ", 1_000_000_000_000),
    ],
)
def test_words_of_tc(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "10", "10mb", "-1mbit", "fast", "7999bit", "2tbit", "1e9bit", "٣mbit"])
def test_no_rates(text):
    with pytest.raises(ValueError, match="is no rate"):
        parse_rate(text)


@given(st.text(max_size=12))
def test_any_text_is_a_rate_or_refused(text):
    try:
        assert 8_000 <= parse_rate(text) <= 1_000_000_000_000
    except ValueError:
        return


def test_into_and_out_of_the_container():
    endpoint = Endpoint("e", "n", "front", "c", "web", "/netns/c", link="eth0", host_link="veth1")
    both = replace(endpoint, config=config(rate="10mbit", rate_out="1mbit"))
    assert list(shapers(both)) == [Shaper("veth1", 10_000_000), Shaper("eth0", 1_000_000, "/netns/c")]
    assert list(shapers(replace(endpoint, config=config(rate_in="1mbit")))) == [Shaper("veth1", 1_000_000)]
    assert list(shapers(endpoint)) == []


def test_what_cannot_be_kept_is_refused():
    check_rates(BRIDGE, config(rate="10mbit"))
    with pytest.raises(InvalidParameter, match=r'linkspan\.rate: "much" is no rate'):
        check_rates(BRIDGE, config(rate_in="much"))
    with pytest.raises(InvalidParameter, match="needs a network of the driver bridge, and lan is macvlan"):
        check_rates(replace(BRIDGE, name="lan", driver="macvlan"), config(rate="10mbit"))
