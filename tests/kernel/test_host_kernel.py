"""HostKernel in a throwaway namespace: every kind of part made, read back with ip(8), removed, undone."""

import errno
import json
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from linkspan.blueprint.parts import Address, Bridge, LinkUp, Route, Sysctl, VethPair
from linkspan.kernel import namespaces
from linkspan.kernel.host import HostKernel
from linkspan.kernel.namespaces import Visitor
from linkspan.kernel.vanishing import THREADS
from linkspan.model.errors import KernelError

BRIDGE = Bridge("docker0", mtu=1400, mac="02:42:00:00:00:01", owner="linkspan:network:n1")
GATEWAY = ip_address("172.17.0.1")


class Host:
    """A namespace of its own with a HostKernel made in it, and the sandboxes made through it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.visitor = Visitor()
        self.path = directory / "host"
        self.visitor.create(self.path, lambda: None)
        self.kernel = self.call(HostKernel)

    def call(self, function):
        return self.visitor.inside(self.path, function)

    def do(self, method, *arguments, **named):
        return self.call(lambda: getattr(self.kernel, method)(*arguments, **named))

    def ip(self, *arguments, sandbox=None):
        command = ["nsenter", f"--net={sandbox or self.path}", "ip", "-j", *arguments]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout or "[]")

    def sandbox(self, number):
        path = self.directory / f"s{number}"
        self.do("create_sandbox", path)
        return path

    def state(self):
        return [self.ip(what) for what in ("link", "address", "route")]

    def close(self):
        self.kernel.close()
        for path in self.directory.iterdir():
            namespaces.remove(path)
        self.visitor.close()


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    yield made
    made.close()


def endpoint(number, sandbox):
    address = ip_interface(f"172.17.0.{number + 2}/16")
    return [
        VethPair(
            f"veth{number:07x}",
            "eth0",
            str(sandbox),
            "docker0",
            f"02:42:ac:11:00:{number + 2:02x}",
            1400,
            owner=f"linkspan:endpoint:{number}",
        ),
        Address("eth0", address, str(sandbox)),
        Route("eth0", GATEWAY, sandbox=str(sandbox)),
    ]


def base():
    return [BRIDGE, Address("docker0", ip_interface("172.17.0.1/16"))]


def test_a_bridge_with_its_address_is_what_ip_shows(host):
    host.do("apply", base())
    (link,) = host.ip("-d", "link", "show", "docker0")
    assert (link["mtu"], link["address"], link["ifalias"]) == (1400, BRIDGE.mac, BRIDGE.owner)
    assert link["linkinfo"]["info_kind"] == "bridge"
    assert "UP" in link["flags"]
    (address,) = host.ip("-4", "address", "show", "docker0")[0]["addr_info"]
    assert (address["local"], address["prefixlen"], address["broadcast"]) == (
        "172.17.0.1",
        16,
        "172.17.255.255",
    )


def test_an_endpoint_is_a_veth_pair_with_names_mac_mtu_master_address_and_route(host):
    host.do("apply", base())
    sandbox = host.sandbox(0)
    host.do("apply", endpoint(0, sandbox))
    (outer,) = host.ip("link", "show", "veth0000000")
    assert (outer["master"], outer["mtu"], outer["ifalias"]) == ("docker0", 1400, "linkspan:endpoint:0")
    assert "link_netnsid" in outer
    (inner,) = host.ip("address", "show", "eth0", sandbox=sandbox)
    assert (inner["address"], inner["operstate"]) == ("02:42:ac:11:00:02", "UP")
    assert [a["local"] for a in inner["addr_info"] if a["family"] == "inet"] == ["172.17.0.2"]
    routes = host.ip("route", sandbox=sandbox)
    assert ("default", "172.17.0.1") in [(r["dst"], r.get("gateway")) for r in routes]
    (lo,) = host.ip("link", "show", "lo", sandbox=sandbox)
    assert "UP" in lo["flags"]


def test_packets_pass_between_two_sandboxes(host):
    host.do("apply", base())
    first, second = host.sandbox(0), host.sandbox(1)
    host.do("apply", endpoint(0, first) + endpoint(1, second))
    server = host.do("in_sandbox", str(second), lambda: socket.create_server(("172.17.0.3", 80)))
    with server:
        client = host.do(
            "in_sandbox", str(first), lambda: socket.create_connection(("172.17.0.3", 80), timeout=3)
        )
        with client:
            accepted, peer = server.accept()
            accepted.close()
            assert peer[0] == "172.17.0.2"


def test_removing_what_was_applied_leaves_the_host_as_it_was(host):
    before = host.state()
    sandbox = host.sandbox(0)
    parts = [*base(), *endpoint(0, sandbox)]
    host.do("apply", parts)
    host.do("remove", parts)
    host.do("remove", parts)
    host.do("remove_sandbox", sandbox)
    assert host.state() == before
    assert not sandbox.exists()


def test_a_detached_veth_is_gone_from_the_host_at_once(host):
    host.do("apply", base())
    sandbox = host.sandbox(0)
    host.do("apply", endpoint(0, sandbox))
    host.do("detach_links", endpoint(0, sandbox))
    assert [link["ifname"] for link in host.ip("link")] == ["lo", "docker0"]


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (Address("docker0", ip_interface("ff02::1/64")), "adding ff02::1/64 to docker0: "),
        (
            Address("nolink", ip_interface("10.0.0.1/24")),
            "adding 10.0.0.1/24 to nolink: there is no link nolink",
        ),
        (Bridge("docker0"), "making the bridge docker0: "),
        (Route("docker0", ip_address("192.0.2.1")), "adding the route default via 192.0.2.1 on docker0: "),
        (Sysctl("net.ipv4.no_such", "1"), "setting net.ipv4.no_such to 1: "),
        (LinkUp("nolink"), "setting nolink up: "),
        (
            VethPair("vethx", "eth0", "/nowhere", "docker0"),
            "making the veth pair vethx and eth0 on docker0: ",
        ),
    ],
)
def test_a_failure_half_way_names_the_step_and_leaves_nothing(host, bad, text):
    before = host.state()
    steps = [*base(), Sysctl("net.ipv4.ip_forward", "1"), bad]
    with pytest.raises(KernelError) as failure:
        host.do("apply", steps)
    assert str(failure.value).startswith(text)
    assert host.state() == before
    assert host.call(lambda: Path("/proc/sys/net/ipv4/ip_forward").read_text()) == "0\n"


def test_a_veth_whose_bridge_is_missing_leaves_no_link(host):
    sandbox = host.sandbox(0)
    with pytest.raises(KernelError, match="there is no link docker0"):
        host.do("apply", endpoint(0, sandbox))
    assert [link["ifname"] for link in host.ip("link")] == ["lo"]


def test_a_veth_whose_inner_name_is_taken_leaves_no_link(host):
    host.do("apply", base())
    sandbox = host.sandbox(0)
    host.do("apply", endpoint(0, sandbox))
    again = VethPair("veth1111111", "eth0", str(sandbox), "docker0")
    with pytest.raises(KernelError):
        host.do("apply", [again])
    assert host.do("link", "veth1111111") is None


def test_an_adopted_bridge_is_neither_made_nor_removed(host):
    host.do("apply", base())
    adopted = [Bridge("docker0", adopted=True)]
    host.do("apply", adopted)
    host.do("remove", adopted)
    assert host.do("link", "docker0") is not None


def test_sysctls_are_written_in_the_sandbox_they_belong_to(host):
    sandbox = host.sandbox(0)
    host.do("apply", [Sysctl("net.ipv4.ip_forward", "1", str(sandbox))])
    read = Path("/proc/sys/net/ipv4/ip_forward").read_text
    assert host.do("in_sandbox", str(sandbox), read) == "1\n"
    assert host.call(read) == "0\n"


def test_a_parameter_that_is_not_needed_may_be_missing(host):
    host.do("apply", [Sysctl("net.ipv4.no_such", "1", needed=False)])


def test_without_br_netfilter_the_error_says_what_to_do(host):
    missing = [Sysctl("net.bridge.no-such-nf-call", "1")]  # this kernel has the real ones
    with pytest.raises(KernelError, match=r"modprobe br_netfilter.*DOCKER_IGNORE_BR_NETFILTER_ERROR=1"):
        host.do("apply", missing)


def test_static_routes_and_ipv6_addresses(host):
    host.do("apply", base())
    parts = [
        Address("docker0", ip_interface("fd00:1::1/64")),
        Route("docker0", ip_address("172.17.0.9"), ip_network("192.0.2.0/24")),
        Route("docker0", None, ip_network("198.51.100.0/24")),
    ]
    host.do("apply", parts)
    assert {str(s) for s in host.do("subnets_in_use")} >= {
        "172.17.0.0/16", "192.0.2.0/24", "198.51.100.0/24", "fd00:1::/64",
    }  # fmt: skip
    assert ip_interface("fd00:1::1/64") in host.do("host_addresses")
    host.do("remove", parts)
    assert "192.0.2.0/24" not in {str(s) for s in host.do("subnets_in_use")}


def test_hairpin_mode_is_set_on_the_bridge_port(host):
    host.do("apply", base())
    sandbox = host.sandbox(0)
    host.do("apply", [VethPair("veth0000000", "eth0", str(sandbox), "docker0", hairpin=True)])
    (link,) = host.ip("-d", "link", "show", "veth0000000")
    assert link["linkinfo"]["info_slave_data"]["hairpin"] is True


def test_a_sandbox_is_made_once_and_its_leftovers_go(host):
    path = host.sandbox(0)
    with pytest.raises(KernelError) as failure:
        host.do("create_sandbox", path)
    assert failure.value.errno == errno.EEXIST
    assert namespaces.is_mounted(path)
    host.do("remove_sandbox", path)
    host.do("remove_sandbox", path)
    assert not path.exists()


def test_work_inside_a_sandbox_that_is_gone_is_an_error_but_removing_there_is_not(host, tmp_path):
    parts = [Address("eth0", ip_interface("10.0.0.1/24"), str(tmp_path / "gone"))]
    host.do("remove", parts)
    with pytest.raises(KernelError, match=r"adding 10\.0\.0\.1/24 to eth0: No such file"):
        host.do("apply", parts)


def test_eight_threads_attach_two_hundred_endpoints(host):
    host.do("apply", base())

    def attach(number):
        sandbox = host.directory / f"s{number}"
        host.kernel.create_sandbox(sandbox)
        host.kernel.apply(endpoint(number, sandbox))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: host.call(lambda: attach(n)), range(200)))
    names = {link.name for link in host.do("links")}
    assert names == {"lo", "docker0", *(f"veth{n:07x}" for n in range(200))}
    docker0 = host.do("link", "docker0").index
    assert {link.master for link in host.do("links") if link.kind == "veth"} == {docker0}


def test_the_thread_comes_back_from_a_sandbox_even_after_an_error(host):
    own = Path("/proc/thread-self/ns/net").readlink()
    with pytest.raises(ZeroDivisionError):
        host.do("in_sandbox", str(host.sandbox(0)), lambda: 1 / 0)
    assert Path("/proc/thread-self/ns/net").readlink() == own
    assert Path("/proc/self/ns/net").readlink() == own


def test_statistics_count_what_passed(host):
    host.do("apply", base())
    sandbox = host.sandbox(0)
    host.do("apply", endpoint(0, sandbox))
    host.do("in_sandbox", str(sandbox), _send_datagram)
    counters = host.do("statistics", str(sandbox))
    assert list(counters) == ["eth0"]
    assert counters["eth0"].tx_packets > 0
    assert counters["eth0"].tx_bytes > 0


def _send_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("172.17.0.1", 9))


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_descriptor_is_left_open(host):
    host.do("apply", base())
    before = descriptors()
    for number in range(20):
        sandbox = host.sandbox(number)
        host.do("apply", endpoint(number, sandbox))
        host.do("detach_links", endpoint(number, sandbox))
        host.do("remove_sandbox", sandbox)
    deadline = time.monotonic() + 5
    while descriptors() > before + THREADS:  # a socket for each deletion that was under way
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_link_is_gone_when_its_removal_returns_and_its_names_are_free_at_once(host):
    host.do("apply", base())
    sandbox = host.sandbox(0)
    for _ in range(30):
        parts = endpoint(0, sandbox)
        host.do("apply", parts)
        host.do("remove", parts)
        assert host.do("link", "veth0000000") is None
        assert host.do("link", "eth0", str(sandbox)) is None
