"""Parts of the survey by name."""

from __future__ import annotations

import pytest

from linkspan.insight.scope import Unknown, narrowed


def names(survey):
    return [each["Name"] for each in survey["Networks"]], [each["Name"] for each in survey["Containers"]]


def test_a_network_with_its_members(seen):
    part = narrowed(seen, "shop_back")
    assert names(part) == (["shop_back"], ["db", "web"])
    assert [len(each["Endpoints"]) for each in part["Containers"]] == [1, 1]


def test_a_container_with_its_networks(seen):
    assert names(narrowed(seen, "web")) == (["bridge", "shop_back"], ["web"])


def test_a_project(seen):
    assert names(narrowed(seen, "shop")) == (["shop_back"], ["db", "web"])


def test_the_begin_of_an_id(seen):
    assert names(narrowed(seen, "222")) == (["shop_back"], ["db"])


def test_unknown_and_ambiguous_names(seen):
    with pytest.raises(Unknown, match='called "nix": see'):
        narrowed(seen, "nix")
    seen["Containers"][0]["Id"] = "1" * 63 + "0"
    with pytest.raises(Unknown, match="more than one id: db"):
        narrowed(seen, "11")
