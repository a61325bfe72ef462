"""Who finds whom under which name."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.model.network import Endpoint
from linkspan.path.dns.view import SandboxView
from linkspan.path.dns.zone import Zone, of_family, reverse_address

FRONT, BACK = "f" * 64, "b" * 64


def _endpoint(name: str, network: str = FRONT, host: int = 2, *names: str, v6: bool = False) -> Endpoint:
    subnet = {FRONT: 18, BACK: 19}[network]
    return Endpoint(
        id=f"{name}-{network[0]}-{host}",
        network_id=network,
        network_name={FRONT: "Front", BACK: "back.end"}[network],
        container_id="c" * 64,
        container_name=name,
        sandbox="",
        ipv4=IPv4Interface(f"172.{subnet}.0.{host}/16"),
        ipv6=IPv6Interface(f"fd00:{subnet}::{host}/64") if v6 else None,
        dns_names=(name, *names),
    )


def _texts(addresses: object) -> list[str] | None:
    return None if addresses is None else [str(address) for address in addresses]  # type: ignore[attr-defined]


def _view(*networks: str, **more: object) -> SandboxView:
    return SandboxView("", networks, **more)  # type: ignore[arg-type]


def test_names_are_seen_on_shared_networks_only() -> None:
    zone = Zone()
    zone.add(_endpoint("web", FRONT, 2, "www", "0123456789ab"))
    zone.add(_endpoint("db", BACK, 3))
    assert _texts(zone.addresses(_view(FRONT), "web")) == ["172.18.0.2"]
    assert _texts(zone.addresses(_view(FRONT), "www")) == ["172.18.0.2"]
    assert _texts(zone.addresses(_view(FRONT), "0123456789ab")) == ["172.18.0.2"]
    assert zone.addresses(_view(FRONT), "db") is None
    assert zone.addresses(_view(), "web") is None
    assert _texts(zone.addresses(_view(FRONT, BACK), "db")) == ["172.19.0.3"]


def test_the_first_network_that_knows_a_name_decides() -> None:
    zone = Zone()
    zone.add(_endpoint("web", FRONT, 2))
    zone.add(_endpoint("web", BACK, 2))
    assert _texts(zone.addresses(_view(FRONT, BACK), "web")) == ["172.18.0.2"]
    assert _texts(zone.addresses(_view(BACK, FRONT), "web")) == ["172.19.0.2"]


def test_a_name_may_say_its_network_which_may_have_a_dot() -> None:
    zone = Zone()
    zone.add(_endpoint("Web", FRONT, 2))
    zone.add(_endpoint("web", BACK, 2))
    both = _view(FRONT, BACK)
    assert _texts(zone.addresses(both, "web.back.end")) == ["172.19.0.2"]
    assert _texts(zone.addresses(both, "web.front")) == ["172.18.0.2"]
    assert zone.addresses(both, "web.other") is None
    assert zone.addresses(_view(FRONT), "web.back.end") is None


def test_several_holders_of_a_name_and_both_families() -> None:
    zone = Zone()
    zone.add(_endpoint("one", FRONT, 2, "app", v6=True))
    zone.add(_endpoint("two", FRONT, 3, "app"))
    found = zone.addresses(_view(FRONT), "app")
    assert _texts(found) == ["172.18.0.2", "fd00:18::2", "172.18.0.3"]
    assert found and _texts(of_family(found, 6)) == ["fd00:18::2"]


def test_removing_and_replacing() -> None:
    zone = Zone()
    first = _endpoint("web", FRONT, 2, "app")
    zone.add(first)
    zone.add(_endpoint("two", FRONT, 3, "app"))
    zone.remove(first)
    zone.remove(first)
    assert zone.addresses(_view(FRONT), "web") is None
    assert _texts(zone.addresses(_view(FRONT), "app")) == ["172.18.0.3"]
    moved = _endpoint("two", FRONT, 3, "renamed")
    zone.add(moved)
    assert zone.addresses(_view(FRONT), "app") is None
    assert _texts(zone.addresses(_view(FRONT), "renamed")) == ["172.18.0.3"]
    zone.remove(moved)
    assert zone.name_of(_view(FRONT), ip_address("172.18.0.3")) is None


def test_links_are_seen_by_their_sandbox_only() -> None:
    zone = Zone()
    zone.add(_endpoint("postgres-1", FRONT, 5))
    assert _texts(zone.addresses(_view(FRONT, links=(("db", "postgres-1"),)), "db")) == ["172.18.0.5"]
    assert zone.addresses(_view(FRONT), "db") is None


def test_addresses_lead_back_to_the_first_name() -> None:
    zone = Zone()
    zone.add(_endpoint("web", FRONT, 2, "www", v6=True))
    assert zone.name_of(_view(FRONT), ip_address("172.18.0.2")) == "web.Front"
    assert zone.name_of(_view(FRONT), ip_address("fd00:18::2")) == "web.Front"
    assert zone.name_of(_view(BACK), ip_address("172.18.0.2")) is None


def test_the_host_has_a_name_unless_a_container_takes_it() -> None:
    zone = Zone()
    view = _view(FRONT, host_addresses=(ip_address("172.17.0.1"),), gateways=(ip_address("172.18.0.1"),))
    assert _texts(zone.addresses(view, "host.docker.internal")) == ["172.17.0.1"]
    assert _texts(zone.addresses(view, "gateway.docker.internal")) == ["172.18.0.1"]
    assert zone.addresses(_view(FRONT), "host.docker.internal") is None
    zone.add(_endpoint("proxy", FRONT, 9, "host.docker.internal"))
    assert _texts(zone.addresses(view, "host.docker.internal")) == ["172.18.0.9"]


def test_watchers_hear_of_changes() -> None:
    zone, heard = Zone(), list[str]()
    zone.watch(heard.append)
    zone.add(_endpoint("web"))
    zone.remove(_endpoint("web"))
    zone.remove(_endpoint("web"))
    assert heard == [FRONT, FRONT]
    zone.unwatch(heard.append)
    zone.add(_endpoint("web"))
    assert heard == [FRONT, FRONT]


@given(st.ip_addresses())
def test_reverse_names_are_read_back(address: object) -> None:
    assert reverse_address(address.reverse_pointer) == address  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name",
    ["", "arpa", "1.in-addr.arpa", "300.1.1.1.in-addr.arpa", "x." * 32 + "ip6.arpa", "12." * 32 + "ip6.arpa"],
)
def test_other_names_are_no_reverse_names(name: str) -> None:
    assert reverse_address(name) is None
