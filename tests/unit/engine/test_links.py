"""What containers that link to others are told of them."""

from ipaddress import ip_address

import pytest

from linkspan.engine.links import Link, link_environment, network_links, parse_link
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Endpoint, EndpointConfig

ADDRESS = ip_address("172.17.0.2")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [("db", ("db", "db")), ("db:data", ("db", "data")), ("/db:/web/data", ("db", "data"))],
)
def test_links_as_they_are_written(text: str, meaning: tuple[str, str]) -> None:
    assert parse_link(text) == meaning


@pytest.mark.parametrize("text", ["", ":x", "db:", "a:b:c"])
def test_links_that_say_nothing(text: str) -> None:
    with pytest.raises(InvalidParameter, match="bad format for links"):
        parse_link(text)


def test_links_on_networks_are_names_for_one_asker() -> None:
    asked = Endpoint("e", "n", "one", "c", "web", "", config=EndpointConfig(links=("DB:Data", "cache")))
    assert network_links([asked]) == (("data", "db"), ("cache", "cache"))


def test_the_environment_of_a_link() -> None:
    link = Link("web", "i", "db", "my-db", ADDRESS, ("5432/tcp",), ("USER=me", "PATH=/bin", "HOME=/", "X"))
    assert link_environment(link) == (
        "MY_DB_NAME=/web/my-db",
        "MY_DB_PORT=tcp://172.17.0.2:5432",
        "MY_DB_PORT_5432_TCP=tcp://172.17.0.2:5432",
        "MY_DB_PORT_5432_TCP_ADDR=172.17.0.2",
        "MY_DB_PORT_5432_TCP_PORT=5432",
        "MY_DB_PORT_5432_TCP_PROTO=tcp",
        "MY_DB_ENV_USER=me",
    )


def test_neighbouring_ports_are_also_told_as_a_range_and_tcp_comes_first() -> None:
    found = link_environment(Link("web", "i", "db", "db", ADDRESS, ("53/udp", "8001/tcp", "8000/tcp")))
    assert found[1] == "DB_PORT=tcp://172.17.0.2:8000"
    assert found[2:6] == (
        "DB_PORT_8000_TCP_START=tcp://172.17.0.2:8000",
        "DB_PORT_8000_TCP_PORT_START=8000",
        "DB_PORT_8000_TCP_END=tcp://172.17.0.2:8001",
        "DB_PORT_8000_TCP_PORT_END=8001",
    )
    assert [entry for entry in found if "8001_TCP_ADDR" in entry or "53_UDP=" in entry] == [
        "DB_PORT_8001_TCP_ADDR=172.17.0.2",
        "DB_PORT_53_UDP=udp://172.17.0.2:53",
    ]


def test_a_link_to_one_that_exposes_nothing() -> None:
    assert link_environment(Link("web", "i", "db", "db", ADDRESS)) == ("DB_NAME=/web/db",)
