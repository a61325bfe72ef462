"""Short and long form of mounts."""

from __future__ import annotations

import pytest

from linkspan.compose.volumes import expand


def mount(value):
    return expand(value, "/work", "/home/me")


def test_named_anonymous_and_bind():
    assert mount("data:/data") == {"type": "volume", "source": "data", "target": "/data", "volume": {}}
    assert mount("/data") == {"type": "volume", "target": "/data", "volume": {}}
    assert mount("./src:/src:ro") == {
        "type": "bind",
        "source": "/work/src",
        "target": "/src",
        "read_only": True,
        "bind": {"create_host_path": True},
    }


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (".", "/work"),
        ("..", "/"),
        ("~", "/home/me"),
        ("~/x", "/home/me/x"),
        ("/a/../b", "/b"),
        ("./a/", "/work/a"),
    ],
)
def test_sources_of_binds(source, path):
    assert mount(f"{source}:/x")["source"] == path


def test_options():
    found = mount("./a:/a:ro,z,rslave")
    assert (found["read_only"], found["bind"]["selinux"], found["bind"]["propagation"]) == (
        True,
        "z",
        "rslave",
    )
    assert mount("v:/a:nocopy")["volume"] == {"nocopy": True}
    assert "read_only" not in mount("v:/a:rw")


def test_the_long_form():
    assert mount({"type": "tmpfs", "target": "/t", "tmpfs": {"size": "10m", "mode": 0o700}}) == {
        "type": "tmpfs",
        "target": "/t",
        "tmpfs": {"size": "10485760", "mode": 0o700},
    }
    assert mount({"type": "bind", "source": "x", "target": "/x"}) == {
        "type": "bind",
        "source": "/work/x",
        "target": "/x",
    }
    strict = mount({"type": "bind", "source": "x", "target": "/x", "bind": {"create_host_path": False}})
    assert strict["bind"] == {}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a:b", "must be an absolute path"),
        ("a:/b:/c:/d", "not a mount"),
        (":/b", "not a mount"),
        ("a:/b:quick", "the option quick"),
        ({"type": "volume", "source": "a"}, 'no "target"'),
        ({"type": "bind", "target": "/a"}, "no source"),
    ],
)
def test_refused(value, words):
    with pytest.raises(ValueError, match=words):
        mount(value)
