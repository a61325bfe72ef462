"""/etc/hosts by Docker's rules."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.path.dns import hosts

OWN = (ip_address("172.17.0.2"), ip_address("fd00::2"))
GATEWAY = (ip_address("172.17.0.1"), ip_address("fd00::1"))


def test_the_file_of_a_container() -> None:
    extra = [*hosts.extra_hosts(["db:10.0.0.9"], ()), hosts.link_line(OWN[0], "db", "0123456789abcdef", "pg")]
    assert hosts.hosts_file(OWN, "web", "example.org", extra, ipv6=True) == (
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::\tip6-localnet\n"
        "ff00::\tip6-mcastprefix\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n"
        "10.0.0.9\tdb\n"
        "172.17.0.2\tdb 0123456789ab pg\n"
        "172.17.0.2\tweb.example.org web\n"
        "fd00::2\tweb.example.org web\n"
    )


def test_without_ipv6_and_without_network() -> None:
    assert hosts.hosts_file((), "web") == "127.0.0.1\tlocalhost\n"
    assert hosts.hosts_file(OWN[:1], "web") == "127.0.0.1\tlocalhost\n172.17.0.2\tweb\n"


@pytest.mark.parametrize(
    ("hostname", "domainname", "names"),
    [("web", "", "web"), ("web.a.b", "", "web.a.b web"), ("web", "a.b", "web.a.b web")],
)
def test_own_names(hostname: str, domainname: str, names: str) -> None:
    assert hosts.own_names(hostname, domainname) == names


def test_a_link_whose_alias_is_the_name() -> None:
    assert hosts.link_line(OWN[0], "pg", "0123456789abcdef", "pg") == (OWN[0], "pg 0123456789ab")


def test_the_hosts_own_file() -> None:
    lines = hosts.extra_hosts(["a:1.2.3.4"], ())
    assert hosts.host_mode_file("127.0.0.1 localhost", lines) == "127.0.0.1 localhost\n1.2.3.4\ta\n"
    assert hosts.host_mode_file("", lines) == "1.2.3.4\ta\n"


def test_add_host() -> None:
    lines = hosts.extra_hosts(["a:::1", "b:[fd00::9]", "h:host-gateway"], GATEWAY)
    assert lines == [
        (ip_address("::1"), "a"),
        (ip_address("fd00::9"), "b"),
        (GATEWAY[0], "h"),
        (GATEWAY[1], "h"),
    ]


@pytest.mark.parametrize("entry", ["nothing", ":1.2.3.4", "a:", "a:1.2.3", "a:host-gateway"])
def test_bad_add_host(entry: str) -> None:
    with pytest.raises(InvalidParameter):
        hosts.extra_hosts([entry], ())
