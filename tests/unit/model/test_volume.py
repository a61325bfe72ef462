"""Volumes as values: names, options, filters."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.model.volume import ANONYMOUS_LABEL, Volume, check_options, checked_name, select


def volume(name: str, *labels: tuple[str, str]) -> Volume:
    return Volume(name, PurePosixPath("/v", name), "2024-01-01T00:00:00Z", labels=labels)


@pytest.mark.parametrize("name", ["ab", "data", "a.b-c_d", "0" * 64])
def test_good_names(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a", "too short"),
        ("-x", "invalid characters"),
        ("a/b", "use absolute path"),
        ("..", "invalid"),
        ("x" * 256, "too long"),
    ],
)
def test_bad_names(name: str, sentence: str) -> None:
    with pytest.raises(InvalidParameter, match=sentence):
        checked_name(name)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"type": "none", "device": "/srv", "o": "bind"},
        {"type": "tmpfs", "device": "tmpfs", "size": "1m"},
    ],
)
def test_good_options(options: dict[str, str]) -> None:
    check_options("v", options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"colour": "red"}, 'create v: invalid option: "colour"'),
        ({"device": "/x"}, 'create v: missing required option: "type"'),
        ({"type": "none"}, 'create v: missing required option: "device"'),
        ({"o": "bind"}, 'create v: missing required option: "device"'),
        ({"size": "1g"}, "create v: quota size requested but no quota support"),
    ],
)
def test_bad_options(options: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidParameter, match=sentence):
        check_options("v", options)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["cache", "data", "log"]),
        ({"name": ["a"]}, ["cache", "data"]),
        ({"driver": ["local"]}, ["cache", "data", "log"]),
        ({"driver": ["nfs"]}, []),
        ({"label": ["k=v"]}, ["log"]),
        ({"dangling": ["true"]}, ["cache", "log"]),
        ({"dangling": ["false"]}, ["data"]),
    ],
)
def test_filters(filters: dict[str, list[str]], expected: list[str]) -> None:
    volumes = [volume("log", ("k", "v")), volume("data"), volume("cache")]
    assert [found.name for found in select(volumes, filters, frozenset({"data"}))] == expected


def test_anonymous_volumes_carry_a_label() -> None:
    assert volume("x1", (ANONYMOUS_LABEL, "")).anonymous
    assert not volume("x1").anonymous
