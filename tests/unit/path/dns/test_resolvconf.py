"""resolv.conf by Docker's rules."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.path.dns import resolvconf
from linkspan.path.dns.resolvconf import HEADER, DnsWishes, parse
from linkspan.path.dns.view import Upstream

HOST = """\
# a comment
; another
nameserver 192.168.1.1
nameserver ::1
nameserver fe80::1%eth0
nameserver 127.0.0.53
nameserver nonsense
domain old.example
search corp.example  lab.example
options timeout:2 edns0
sortlist 10.0.0.0
nameserver
"""
HOST_SERVERS = tuple(map(ip_address, ("192.168.1.1", "::1", "fe80::1%eth0", "127.0.0.53")))


def _wishes(*servers: str, search: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> DnsWishes:
    return DnsWishes(tuple(map(ip_address, servers)), search, options)


def test_parsing() -> None:
    found = parse(HOST)
    assert found.servers == HOST_SERVERS
    assert found.search == ("corp.example", "lab.example")
    assert found.options == ("timeout:2", "edns0")
    assert found.other == ("sortlist 10.0.0.0",)
    assert found.invalid == ("nonsense",)
    assert (found.option("timeout"), found.option("edns0"), found.option("ndots")) == ("2", "", None)


def test_a_sandbox_with_the_resolver() -> None:
    made = resolvconf.for_resolver(parse(HOST), _wishes())
    assert made.text == HEADER + (
        "nameserver 127.0.0.11\n"
        "search corp.example lab.example\n"
        "options timeout:2 edns0 ndots:0\n"
        "sortlist 10.0.0.0\n"
        "\n"
        "# Based on host file: '/etc/resolv.conf' (internal resolver)\n"
        "# ExtServers: [host(192.168.1.1) host(::1) host(fe80::1%eth0) host(127.0.0.53)]\n"
        "# Invalid nameservers: [nonsense]\n"
        "# Overrides: []\n"
        "# Option ndots from: internal\n"
    )
    assert made.upstreams == tuple(Upstream(server) for server in HOST_SERVERS)
    assert not made.ndots_set


def test_wishes_of_the_user_are_asked_from_the_sandbox() -> None:
    made = resolvconf.for_resolver(
        parse(HOST), _wishes("127.0.0.53", "9.9.9.9", search=("my.example", "."), options=("ndots:3",))
    )
    assert made.upstreams == (
        Upstream(ip_address("127.0.0.53"), from_sandbox=True),
        Upstream(ip_address("9.9.9.9"), from_sandbox=True),
    )
    assert made.ndots_set
    lines = made.text.splitlines()
    assert "search my.example" in lines
    assert "options ndots:3" in lines
    assert "# ExtServers: [127.0.0.53 9.9.9.9]" in lines
    assert "# Overrides: [nameservers search options]" in lines
    assert "# Option ndots from: override" in lines


def test_the_search_domain_dot_means_none() -> None:
    assert (
        "search" not in resolvconf.for_resolver(parse(HOST), _wishes(search=(".",))).text.split("# Based")[0]
    )


@pytest.mark.parametrize(("option", "kept"), [("ndots:5", True), ("ndots:x", False), ("ndots:-1", False)])
def test_ndots_of_the_host(option: str, kept: bool) -> None:
    made = resolvconf.for_resolver(parse(f"nameserver 1.1.1.1\noptions {option}\n"), _wishes())
    assert made.ndots_set == kept
    assert f"options {option if kept else 'ndots:0'}\n" in made.text
    assert f"# Option ndots from: {'host' if kept else 'internal'}\n" in made.text


def test_a_host_without_servers_gets_default_ones() -> None:
    made = resolvconf.for_resolver(parse(""), _wishes())
    assert [str(server.address) for server in made.upstreams] == ["8.8.8.8", "8.8.4.4"]
    assert "# Used default nameservers.\n# ExtServers: [host(8.8.8.8) host(8.8.4.4)]" in made.text
    assert len(resolvconf.for_resolver(parse(""), _wishes(), ipv6=True).upstreams) == 4


def test_the_default_bridge_keeps_what_it_can_reach() -> None:
    text = resolvconf.for_default_bridge(parse(HOST), _wishes())
    assert text == HEADER + (
        "nameserver 192.168.1.1\n"
        "search corp.example lab.example\n"
        "options timeout:2 edns0\n"
        "sortlist 10.0.0.0\n"
        "\n"
        "# Based on host file: '/etc/resolv.conf' (legacy)\n"
        "# Invalid nameservers: [nonsense]\n"
        "# Overrides: []\n"
    )
    with_v6 = resolvconf.for_default_bridge(parse(HOST), _wishes(), ipv6=True)
    assert "nameserver fe80::1%eth0\n" in with_v6
    assert "nameserver ::1\n" not in with_v6


def test_the_default_bridge_without_reachable_servers() -> None:
    text = resolvconf.for_default_bridge(parse("nameserver 127.0.0.53\n"), _wishes())
    assert text.startswith(HEADER + "nameserver 8.8.8.8\nnameserver 8.8.4.4\n\n")
    assert "# Used default nameservers.\n" in text
    assert "nameserver 127.0.0.53\n" in resolvconf.for_default_bridge(parse(""), _wishes("127.0.0.53"))


def test_the_hosts_own_namespace() -> None:
    text = resolvconf.for_host(parse("nameserver 127.0.0.53\noptions ndots:2\n"), _wishes())
    assert "nameserver 127.0.0.53\n" in text
    assert "# Based on host file: '/etc/resolv.conf'\n# Overrides: []\n# Option ndots from: host\n" in text
    assert "nameserver 9.9.9.9\n" in resolvconf.for_host(parse(""), _wishes("9.9.9.9"))


def test_systemd_resolveds_stub_is_looked_through() -> None:
    assert resolvconf.source_path("nameserver 127.0.0.53\n") == "/run/systemd/resolve/resolv.conf"
    assert resolvconf.source_path("nameserver 127.0.0.53\nnameserver 1.1.1.1\n") == "/etc/resolv.conf"
    assert resolvconf.source_path("") == "/etc/resolv.conf"
