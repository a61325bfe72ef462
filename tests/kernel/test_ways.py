"""The host's ways as the kernel tells them, in a namespace of their own."""

from __future__ import annotations

import subprocess

import pytest

from linkspan.kernel import namespaces
from linkspan.kernel.host import HostKernel
from linkspan.kernel.namespaces import Visitor

SETUP = """\
link add up0 type bridge
addr add 10.1.0.5/24 dev up0
link set up0 up
route add 10.3.0.0/16 dev up0 table 52
route add 10.2.0.0/16 via 10.1.0.1
route add unreachable 10.4.0.0/16
route add default via 10.1.0.1
"""


@pytest.fixture
def told(tmp_path):
    visitor, path = Visitor(), tmp_path / "host"
    visitor.create(path, lambda: None)
    try:
        subprocess.run(["nsenter", f"--net={path}", "ip", "-batch", "-"], input=SETUP, text=True, check=True)
        kernel = visitor.inside(path, HostKernel)
        yield [str(way) for way in visitor.inside(path, kernel.ways)]
        kernel.close()
    finally:
        namespaces.remove(path)
        visitor.close()


def test_routes_are_told_as_ip_tells_them(told):
    wanted = ("10.1.0.0/24 dev up0", "10.2.0.0/16 via 10.1.0.1 dev up0", "10.3.0.0/16 dev up0 table 52")
    assert set(wanted) <= set(told)
    assert "0.0.0.0/0 via 10.1.0.1 dev up0" in told


def test_the_main_table_comes_first_and_own_addresses_last(told):
    order = [told.index(one) for one in ("10.2.0.0/16 via 10.1.0.1 dev up0", "10.3.0.0/16 dev up0 table 52")]
    assert order == sorted(order)
    assert told.index("local 10.1.0.5/32 dev up0") > max(order)


def test_routes_that_only_refuse_and_broadcasts_are_no_ways(told):
    assert not [way for way in told if "10.4.0.0" in way or "10.1.0.255" in way]
