"""Who may use a port of the proxy: as the ipaddress module would say it, and the host itself."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.path.proxy.sources import Sources

NETWORKS = ["10.0.0.0/8", "192.0.2.7/32", "0.0.0.0/0", "fd00::/8", "2001:db8::7/128", "::/0", "128.0.0.0/1"]


@given(st.lists(st.sampled_from(NETWORKS), min_size=1), st.ip_addresses())
def test_the_subnets_decide(networks, address):
    meant = getattr(address, "ipv4_mapped", None) or address
    wanted = any(meant in ip_network(network) for network in networks) or meant.is_loopback
    assert Sources(",".join(networks)).admit(str(address), "fe80::1:2:3") == wanted


@pytest.mark.parametrize(
    ("peer", "local", "admitted"),
    [
        ("10.1.2.3", "10.0.0.5", True),
        ("10.0.0.5", "10.0.0.5", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:10.1.2.3", "::ffff:10.0.0.5", True),
        ("::ffff:192.0.2.1", "::ffff:10.0.0.5", False),
        ("fe80::1%eth0", "fe80::2%eth0", False),
        ("192.0.2.1", "10.0.0.5", False),
    ],
)
def test_the_host_itself_and_forms_of_addresses(peer, local, admitted):
    assert Sources("10.0.0.0/8").admit(peer, local) == admitted


def test_without_a_list_everybody_may_come():
    assert Sources("").admit("192.0.2.1", "10.0.0.5")
    assert not Sources("").restricted
