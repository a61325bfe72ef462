"""Negotiation of the API version."""

from __future__ import annotations

import pytest

from linkspan.api import versions
from linkspan.model.errors import InvalidParameter


@pytest.mark.parametrize(
    ("asked", "version"),
    [(None, (1, 56)), ("1.24", (1, 24)), ("1.56", (1, 56)), ("1.44.7", (1, 44)), ("1.044", (1, 44))],
)
def test_versions_that_are_spoken(asked: str | None, version: versions.ApiVersion) -> None:
    assert versions.negotiate(asked) == version


@pytest.mark.parametrize("asked", ["1.23", "1", "0.9", ".", "1..4"])
def test_versions_too_old(asked: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        versions.negotiate(asked)
    assert str(caught.value) == (
        f"client version {asked} is too old. Minimum supported API version is 1.24, "
        "please upgrade your client to a newer version"
    )


@pytest.mark.parametrize("asked", ["1.57", "2.0", "1.999999"])
def test_versions_too_new(asked: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        versions.negotiate(asked)
    assert str(caught.value) == f"client version {asked} is too new. Maximum supported API version is 1.56"


def test_every_behaviour_begins_with_a_version_that_is_spoken() -> None:
    assert all(versions.MINIMUM < since <= versions.MAXIMUM for since in versions.SINCE.values())
    assert versions.has((1, 49), "firewall backend in info")
    assert not versions.has((1, 48), "firewall backend in info")


def test_an_old_compose_gets_what_it_was_written_for():
    agent = "docker-compose/1.29.2 docker-py/5.0.3 Linux/6.1"
    assert versions.negotiate("1.56", agent) == (1, 43)
    assert versions.negotiate("1.30", agent) == (1, 30)
    assert versions.negotiate(None, agent) == (1, 43)
    assert versions.negotiate("1.56", "docker-sdk-python/7.1.0") == (1, 56)
