"""macvlan links made in a sandbox on a parent of the host, and what the kernel is asked about kinds."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network

import pytest

from linkspan.blueprint.parts import Address, MovedLink, Route, SubLink, VethPair
from linkspan.kernel.host import HostKernel
from linkspan.model.errors import KernelError

MAC = "02:00:00:00:00:07"


@pytest.fixture
def kernel(topology):
    made = topology.host.call(HostKernel)
    yield made
    made.close()


@pytest.fixture
def sandbox(kernel, tmp_path):
    path = tmp_path / "s1"
    kernel.create_sandbox(path)
    yield str(path)
    kernel.remove_sandbox(path)


def test_a_macvlan_link_is_made_in_the_sandbox_and_removed(topology, kernel, sandbox):
    link = SubLink("macvlan", "eth0", "eth0", sandbox, "bridge", mac=MAC, mtu=1400, owner="linkspan:x:y")
    kernel.apply([link])
    inside = topology.visit(sandbox)
    shown = inside.run("ip -d link show eth0")
    assert "macvlan mode bridge" in shown and MAC in shown and "mtu 1400" in shown and ",UP" in shown
    state = kernel.link("eth0", sandbox)
    assert (state.kind, state.alias) == ("macvlan", "linkspan:x:y")
    kernel.remove([link])
    assert kernel.link("eth0", sandbox) is None
    kernel.remove([link])


@pytest.mark.parametrize("mode", ["private", "vepa", "passthru"])
def test_the_other_modes(topology, kernel, sandbox, mode):
    kernel.apply([SubLink("macvlan", "eth0", "eth0", sandbox, mode)])
    assert f"macvlan mode {mode}" in topology.visit(sandbox).run("ip -d link show eth0")


def test_detaching_frees_the_mac_address_and_the_hosts_routes(topology, kernel, sandbox):
    shim = SubLink("macvlan", "shim0", "eth0", "", "bridge")
    link = SubLink("macvlan", "eth0", "eth0", sandbox, "bridge", mac=MAC)
    route = Route("shim0", None, ip_network("10.0.0.50/32"))
    kernel.apply([shim, link, Address("eth0", ip_interface("10.0.0.50/24"), sandbox), route])
    assert "10.0.0.50 dev shim0" in topology.host.run("ip route")
    with pytest.raises(KernelError):
        kernel.apply([SubLink("macvlan", "eth7", "eth0", sandbox, "bridge", mac=MAC)])
    kernel.detach_links([link, route])
    assert "10.0.0.50" not in topology.host.run("ip route")
    kernel.apply([SubLink("macvlan", "eth7", "eth0", sandbox, "bridge", mac=MAC)])
    kernel.remove([shim])
    assert kernel.link("shim0") is None


def test_a_pair_may_stay_on_the_host_with_both_ends(kernel):
    pair = VethPair("dm-1", "dp-1", "", "", mtu=1500)
    kernel.apply([pair])
    assert kernel.link("dm-1").running and kernel.link("dp-1").up
    kernel.remove([pair])
    assert kernel.link("dm-1") is None and kernel.link("dp-1") is None


def test_what_the_kernel_knows(kernel):
    before = kernel.links()
    assert kernel.knows("macvlan")
    assert not kernel.knows("nosuchkind")
    assert kernel.links() == before


def test_a_kind_that_is_not_there_is_named(kernel, sandbox):
    for kind, mode in (("ipvlan", "l2"), ("vlan", "5")):
        if not kernel.knows(kind):
            with pytest.raises(KernelError, match=f"making the {kind} link x0 on eth0"):
                kernel.apply([SubLink(kind, "x0", "eth0", "", mode)])


def test_a_link_of_somebody_else_is_moved_in_and_back(topology, kernel, sandbox):
    topology.host.run("ip link add src0 type veth peer name peer0", "ip link set peer0 up")
    part = MovedLink("src0", "plug0", sandbox, MAC)
    kernel.apply([part, Address("plug0", ip_interface("10.5.0.2/24"), sandbox)])
    shown = topology.visit(sandbox).run("ip address show plug0")
    assert MAC in shown and "10.5.0.2/24" in shown and ",UP" in shown
    assert kernel.link("src0") is None
    kernel.detach_links([part])
    assert kernel.link("src0") is not None and kernel.link("plug0", sandbox) is None
    kernel.remove([part])


def test_a_name_that_is_taken_leaves_the_link_where_it_was(topology, kernel, sandbox):
    topology.host.run("ip link add src0 type veth peer name peer0")
    with pytest.raises(KernelError, match="moving src0 into the sandbox as lo: File exists"):
        kernel.apply([MovedLink("src0", "lo", sandbox)])
    assert kernel.link("src0") is not None
