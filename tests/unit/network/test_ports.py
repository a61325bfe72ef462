"""The port allocator: fixed ports once, ranges the first free, ephemeral ports round robin."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.model.errors import LinkspanError
from linkspan.network.ports import (
    FALLBACK_RANGE,
    AllPortsAllocated,
    Owner,
    PortAllocator,
    PortRange,
    PortTaken,
    ephemeral_range,
    reserved_ports,
)

ANY4, ANY6, LO, LAN = (ip_address(a) for a in ("0.0.0.0", "::", "127.0.0.1", "10.0.0.5"))
FREE = PortRange(0, 0)


def fixed(port):
    return PortRange(port, port)


@pytest.fixture
def ports():
    return PortAllocator((40000, 40003))


def test_a_fixed_port_is_given_once(ports):
    assert ports.claim("tcp", (ANY4, ANY6), fixed(80)) == 80
    with pytest.raises(LinkspanError, match=r"^Bind for 0\.0\.0\.0:80 failed: port is already allocated$"):
        ports.claim("tcp", (ANY4, ANY6), fixed(80))
    assert ports.claim("udp", (ANY4,), fixed(80)) == 80
    ports.release("tcp", (ANY4, ANY6), 80)
    assert ports.claim("tcp", (ANY4,), fixed(80)) == 80


def test_who_has_a_port_is_told(ports):
    ports.claim("tcp", (ANY4, ANY6), fixed(80), owner=Owner("1", "web"))
    ports.hold("udp", LO, 53, Owner("2", "names"))
    for protocol, address, port, name in (("tcp", LO, 80, "web"), ("udp", ANY4, 53, "names")):
        with pytest.raises(PortTaken) as met:
            ports.claim(protocol, (address,), fixed(port), owner=Owner("3", "other"))
        assert met.value.owner.name == name


def test_any_address_and_one_address_are_in_each_others_way_in_their_family(ports):
    ports.claim("tcp", (LO,), fixed(80))
    assert ports.claim("tcp", (LAN,), fixed(80)) == 80
    assert ports.claim("tcp", (ANY6,), fixed(80)) == 80
    with pytest.raises(LinkspanError):
        ports.claim("tcp", (ANY4,), fixed(80))
    ports.claim("tcp", (ANY4,), fixed(81))
    with pytest.raises(LinkspanError, match=r"Bind for 127\.0\.0\.1:81 failed"):
        ports.claim("tcp", (LO,), fixed(81))


def test_a_range_gives_the_first_port_free_on_all_addresses(ports):
    ports.claim("tcp", (ANY6,), fixed(8000))
    wanted = PortRange(8000, 8002)
    assert ports.claim("tcp", (ANY4, ANY6), wanted, avoid={8001}) == 8002
    with pytest.raises(AllPortsAllocated, match=r"^all ports are allocated$"):
        ports.claim("tcp", (ANY4, ANY6), wanted, avoid={8001})


def test_ephemeral_ports_go_round(ports):
    assert [ports.claim("tcp", (ANY4,), FREE) for _ in range(2)] == [40000, 40001]
    ports.release("tcp", (ANY4,), 40000)
    assert [ports.claim("tcp", (ANY4,), FREE) for _ in range(3)] == [40002, 40003, 40000]
    with pytest.raises(AllPortsAllocated):
        ports.claim("tcp", (ANY4,), FREE)
    assert ports.claim("udp", (ANY4,), FREE) == 40000


def test_reserved_ports_are_never_given():
    ports = PortAllocator((40000, 40001), skipped={40000})
    assert ports.claim("tcp", (ANY4,), FREE) == 40001


def test_the_kernels_ranges(tmp_path):
    (tmp_path / "ip_local_port_range").write_text("32768\t60999\n")
    (tmp_path / "ip_local_reserved_ports").write_text("100,40000-40002\n")
    assert ephemeral_range(tmp_path) == (32768, 60999)
    assert reserved_ports(tmp_path) == {100, 40000, 40001, 40002}
    assert ephemeral_range(tmp_path / "missing") == FALLBACK_RANGE
    assert reserved_ports(tmp_path / "missing") == set()


ADDRESSES = st.sampled_from([ANY4, ANY6, LO, LAN])
CLAIM = st.tuples(
    st.sampled_from(["tcp", "udp"]), ADDRESSES, st.sampled_from([0, 40000, 40002]), st.booleans()
)


@given(st.lists(CLAIM, max_size=40))
def test_no_two_holders_collide(claims):
    ports, held = PortAllocator((40000, 40005)), []
    for protocol, address, first, release in claims:
        if release and held:
            old_protocol, old_address, old_port = held.pop(0)
            ports.release(old_protocol, (old_address,), old_port)
        try:
            port = ports.claim(protocol, (address,), PortRange(first, first))
        except LinkspanError:
            continue
        for other_protocol, other, other_port in held:
            same = (other_protocol, other_port, other.version) == (protocol, port, address.version)
            assert not same or (other != address and not (other.is_unspecified or address.is_unspecified))
        held.append((protocol, address, port))
    assert sorted(map(str, ports.held())) == sorted(map(str, held))
