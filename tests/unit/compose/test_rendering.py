"""Hashes that are Docker's own, and what does and does not change them."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkspan.compose import rendering
from linkspan.compose.loading import load
from linkspan.compose.location import Request
from linkspan.compose.source import Map


def golden(**given):
    path = str(Path(__file__).parent / "golden.yaml")
    return load(Request(files=[path], name="shop", environment={}, **given), check=False)


def test_service_hashes_are_those_of_docker_compose():
    """Printed by Docker Compose 2.40.3: `config --hash '*'` for golden.yaml."""
    found = {name: rendering.service_hash(each) for name, each in golden().services.items()}
    assert found == {
        "plain": "2afd7866203dca40993313263173003833e9de9c3ad83f2f59484e32a5605234",
        "web": "eda7b1aff1046b705f1580dde43468ac7c37576b193910903b353bee85c54668",
    }


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({"name": "gg_default"}, "530445fe9b92bbf2c3a2646d3af04c03193b51e0b516cea5d93005f0b3d7c6e3"),
        (
            {"name": "gg_m", "internal": True, "attachable": True},
            "2da03c8e1f135b473f41e0dd1bd93370777c30c37d4f3169c037ed64fb32f3b1",
        ),
        (
            {"name": "gg_o", "enable_ipv6": True, "ipam": {"driver": "default"}},
            "882bdb920d139077eb205bfefb8c079f2a6b4246f42fdda9c92f30b51643f1b4",
        ),
        (
            {
                "labels": {"a": "b"},
                "name": "gg_n",
                "driver": "bridge",
                "driver_opts": {"com.docker.network.driver.mtu": "1400"},
                "ipam": {
                    "config": [
                        {
                            "subnet": "172.30.9.0/24",
                            "gateway": "172.30.9.1",
                            "ip_range": "172.30.9.0/25",
                            "aux_addresses": {"h": "172.30.9.7"},
                        }
                    ]
                },
            },
            "a7833969fc5d92cc98ff433b425496c1f66e63959ae202ad21cd67d15acebae2",
        ),
    ],
)
def test_network_hashes_are_those_of_docker_compose(definition, expected):
    """Read from the labels of networks that Docker Compose 2.40.3 has made."""
    assert rendering.network_hash(Map(definition)) == expected


def test_what_says_nothing_about_a_container_does_not_change_the_hash(desk):
    plain = desk.load("services: {a: {image: x}, b: {image: x}}").services["a"]
    other = desk.load(
        """\
        services:
          a: {image: x, build: ., scale: 3, depends_on: [b], pull_policy: never, profiles: [p]}
          b: {image: x, profiles: [p]}
        """,
        profiles=["p"],
    ).services["a"]
    assert rendering.service_hash(plain) == rendering.service_hash(other)


@pytest.mark.parametrize(
    "change", ["command: x", "environment: [A=1]", "ports: ['80']", "networks: [n]", "tty: true"]
)
def test_everything_else_does(desk, change):
    plain = desk.load("services: {a: {image: x}}").services["a"]
    other = desk.load(f"services:\n  a:\n    image: x\n    {change}\nnetworks: {{n: }}").services["a"]
    assert rendering.service_hash(plain) != rendering.service_hash(other)


def test_go_escapes():
    assert rendering.digest({"a": "<&>"}) != rendering.digest({"a": "<&"})
    import hashlib

    assert rendering.digest({"a": "<ü"}) == hashlib.sha256('{"a":"\\u003cü"}'.encode()).hexdigest()


def test_dollars_are_doubled_for_reading_again():
    assert rendering.dollars({"a": ["$x", 1]}) == {"a": ["$$x", 1]}
