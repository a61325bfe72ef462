"""Links changed and read one by one, and the kernel facade used from outside of its host."""

import json
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest

from linkspan.blueprint.parts import Address, Bridge, LinkUp, Route, Sysctl, VethPair
from linkspan.kernel import links
from linkspan.kernel.host import HostKernel
from linkspan.kernel.wire import Netlink, NetlinkError
from linkspan.model.errors import KernelError

BRIDGE = Bridge("docker0", mtu=1450, mac="02:42:00:00:00:01", owner="linkspan:network:n1")


@pytest.fixture
def netlink(namespace):
    made = namespace.call(Netlink)
    yield made
    made.close()


@pytest.fixture
def kernel(namespace, tmp_path):
    """A HostKernel of the namespace; the tests call it from outside, as any thread may."""
    made = namespace.call(HostKernel)
    yield made
    for path in tmp_path.iterdir():
        made.remove_sandbox(path)
    made.close()


def shown(namespace, *arguments):
    return json.loads(namespace.run(f"ip -d -j {' '.join(arguments)}") or "[]")


def test_a_link_is_renamed_gets_another_name_goes_down_and_up(namespace, netlink):
    links.create_bridge(netlink, BRIDGE)
    links.set_up(netlink, "docker0", False)
    links.rename(netlink, "docker0", "br-1")
    links.add_altname(netlink, "br-1", "linkspan-network-of-a-long-name")
    (link,) = shown(namespace, "link show br-1")
    assert "UP" not in link["flags"]
    assert link["altnames"] == ["linkspan-network-of-a-long-name"]
    found = links.get(netlink, "linkspan-network-of-a-long-name")
    assert found is not None
    assert (found.name, found.up) == ("br-1", False)
    links.set_up(netlink, "br-1")
    links.remove_altname(netlink, "br-1", "linkspan-network-of-a-long-name")
    assert links.get(netlink, "linkspan-network-of-a-long-name") is None
    assert "UP" in shown(namespace, "link show br-1")[0]["flags"]


def test_a_link_is_plugged_in_and_out_and_hairpins(namespace, netlink):
    links.create_bridge(netlink, BRIDGE)
    namespace.run("ip link add port type veth peer name far")
    links.set_master(netlink, "port", links.index_of(netlink, "docker0"))
    links.set_hairpin(netlink, "port", True)
    (link,) = shown(namespace, "link show port")
    assert (link["master"], link["linkinfo"]["info_slave_data"]["hairpin"]) == ("docker0", True)
    links.set_master(netlink, "port", 0)
    assert "master" not in shown(namespace, "link show port")[0]


def test_links_are_deleted_together_and_the_missing_are_fine(namespace, netlink):
    for number in range(60):
        namespace.run(f"ip link add a{number} type veth peer name b{number}")
    links.delete(netlink, [*(f"a{number}" for number in range(60)), "nolink"])
    assert [link["ifname"] for link in shown(namespace, "link")] == ["lo"]
    links.delete(netlink, ["nolink"])


def test_a_link_that_cannot_be_deleted_does_not_keep_the_others(namespace, netlink):
    namespace.run("ip link add port type veth peer name far")
    with pytest.raises(NetlinkError):
        links.delete(netlink, ["lo", "port"])
    (lo,) = shown(namespace, "link")
    assert (lo["ifname"], lo["group"]) == ("lo", "default")


def test_an_error_is_in_the_kernels_own_words(netlink, kernel):
    with pytest.raises(NetlinkError, match="there is no link nolink"):
        links.rename(netlink, "nolink", "other")
    kernel.apply([BRIDGE])
    with pytest.raises(KernelError, match=r"via 192\.0\.2\.1 on docker0: Nexthop has invalid gateway"):
        kernel.apply([Route("docker0", ip_address("192.0.2.1"))])


def test_a_bridge_keeps_its_mtu_and_has_no_queue(namespace, kernel, tmp_path):
    kernel.apply([BRIDGE])
    sandbox = tmp_path / "s"
    kernel.create_sandbox(sandbox)
    pair = VethPair("veth1", "eth0", str(sandbox), "docker0", mtu=1450)
    kernel.apply([pair])
    kernel.remove([pair])
    (link,) = shown(namespace, "link show docker0")
    assert (link["mtu"], link["linkinfo"]["info_data"]["stp_state"]) == (1450, 0)
    assert link.get("txqlen", 0) == 0


def test_an_address_that_is_there_already_is_no_failure_and_stays(namespace, kernel):
    namespace.run("ip link add br0 type bridge", "ip address add 10.9.0.1/24 dev br0")
    parts = [Bridge("br0", adopted=True), Address("br0", ip_interface("10.9.0.1/24"))]
    kernel.apply(parts)
    with pytest.raises(KernelError, match="setting nolink up"):
        kernel.apply([*parts, LinkUp("nolink")])
    assert kernel.addresses("br0") == [ip_interface("10.9.0.1/24")]


def test_a_failure_puts_links_and_settings_back(namespace, kernel):
    kernel.apply([BRIDGE])
    namespace.run("ip link set docker0 down")
    with pytest.raises(KernelError, match=r"setting net\.ipv4\.none to 1: No such file"):
        kernel.apply(
            [
                LinkUp("docker0"),
                Sysctl("net.ipv4.conf.docker0.route_localnet", "1"),
                Sysctl("net.ipv4.none", "1"),
            ]
        )
    assert kernel.link("docker0").up is False
    assert namespace.call(Path("/proc/sys/net/ipv4/conf/docker0/route_localnet").read_text) == "0\n"


@pytest.mark.parametrize("key", ["net.//.//.kernel.hostname", "net..x", ""])
def test_a_setting_outside_of_proc_sys_is_refused(kernel, key):
    with pytest.raises(KernelError, match="this is no kernel parameter"):
        kernel.apply([Sysctl(key, "1", needed=False)])


def test_the_way_to_an_address_is_asked_from_the_kernel(kernel):
    kernel.apply(
        [
            BRIDGE,
            Address("docker0", ip_interface("172.17.0.1/16")),
            Route("docker0", ip_address("172.17.0.9")),
        ]
    )
    index = kernel.link("docker0").index
    way = kernel.route_to(ip_address("8.8.8.8"))
    assert (way.gateway, way.source, way.link) == (
        ip_address("172.17.0.9"),
        ip_address("172.17.0.1"),
        index,
    )
    assert [r.gateway for r in kernel.routes() if r.destination.prefixlen == 0 and r.table == 254] == [
        ip_address("172.17.0.9")
    ]
    with pytest.raises(KernelError, match="looking for the route to fd00::1: "):
        kernel.route_to(ip_address("fd00::1"))


def test_a_leftover_file_does_not_block_a_sandbox(kernel, tmp_path):
    path = tmp_path / "s"
    path.touch()
    kernel.create_sandbox(path)
    assert [link.name for link in kernel.links(str(path)) if link.up] == ["lo"]


def test_any_thread_acts_on_the_host_that_the_kernel_was_made_in(namespace, kernel, tmp_path):
    kernel.apply([BRIDGE, Sysctl("net.ipv4.ip_forward", "1")])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(kernel.create_sandbox, [tmp_path / f"s{n}" for n in range(8)]))
        pairs = [VethPair(f"veth{n}", "eth0", str(tmp_path / f"s{n}"), "docker0") for n in range(8)]
        list(pool.map(lambda pair: kernel.apply([pair]), pairs))
        assert len(shown(namespace, "link show type veth")) == 8
        list(pool.map(lambda pair: kernel.detach_links([pair]), pairs))
    assert shown(namespace, "link show type veth") in ([], [{}])
    assert namespace.call(Path("/proc/sys/net/ipv4/ip_forward").read_text) == "1\n"


def test_removal_goes_on_after_an_error_and_reports_it(kernel):
    kernel.apply([BRIDGE, Address("docker0", ip_interface("172.17.0.1/16"))])
    bad = Route("docker0", ip_address("fd00::1"), None, "/proc/self/status")
    with pytest.raises(ExceptionGroup) as failure:
        kernel.remove([BRIDGE, bad])
    assert [str(e).partition(": ")[0] for e in failure.value.exceptions] == [
        "removing the route default via fd00::1 on docker0"
    ]
    assert kernel.link("docker0") is None
