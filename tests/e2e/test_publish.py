"""Publishing ports in all of Docker's grammar, with the proxy and without."""

from __future__ import annotations

import re
import tarfile

import pytest

EPHEMERAL = re.compile(r"80/tcp -> 0\.0\.0\.0:(\d+)\n80/tcp -> \[::\]:(\d+)")


def ports(stage, name: str) -> str:
    return stage.docker("port", name).text


def test_ephemeral_port_is_the_same_in_both_families(stage):
    stage.web("c1", "-p", "80")
    four, six = EPHEMERAL.fullmatch(ports(stage, "c1")).groups()
    assert four == six
    assert 32768 <= int(four) <= 60999
    assert stage.get("lan", f"http://10.0.0.5:{four}/")


def test_ephemeral_ports_go_on_and_do_not_repeat(stage):
    found = []
    for name in ("c1", "c2", "c3"):
        stage.sleeper(name, "-p", "80")
        found.append(EPHEMERAL.fullmatch(ports(stage, name)).group(1))
    assert len(set(found)) == 3


def test_host_address_limits_where_it_answers(stage):
    stage.web("c1", "-p", "100.64.0.2:8080:80")
    assert ports(stage, "c1") == "80/tcp -> 100.64.0.2:8080"
    assert stage.get("internet", "http://100.64.0.2:8080/")
    assert stage.get("lan", "http://10.0.0.5:8080/", timeout=1) == ""


def test_loopback_is_for_the_host_only(stage):
    stage.web("c1", "-p", "127.0.0.1:8080:80")
    assert stage.get("host", "http://127.0.0.1:8080/")
    assert stage.get("lan", "http://10.0.0.5:8080/", timeout=1) == ""
    assert "-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP" in stage.rules("raw")
    stage.lab.run("lan", "ip", "route", "add", "127.0.0.1/32", "via", "10.0.0.5", "table", "7")
    stage.lab.run("lan", "ip", "route", "del", "127.0.0.1/32", "table", "7")


def test_ipv6_address_reaches_an_ipv4_container(stage):
    stage.web("c1", "-p", "[fd00:10::5]:8080:80")
    assert ports(stage, "c1") == "80/tcp -> [fd00:10::5]:8080"
    assert stage.get("lan", "http://[fd00:10::5]:8080/")


@pytest.fixture
def echo(stage):
    """A container "c1" that sends every datagram to its port 53 back; the host's socat with its libraries."""
    archive = stage.lab.directory / "tools.tar"
    if not archive.exists():
        listed = stage.host("ldd", "/usr/bin/socat").out
        paths = ["/usr/bin/socat", *re.findall(r"(/\S+) \(0x", listed)]
        with tarfile.open(archive, "w", dereference=True) as tar:
            for path in paths:
                tar.add(path)
            tar.add("/bin/busybox", "bin/cat")
        stage.docker("import", str(archive), "tools")
    server = ("socat", "udp-recvfrom:53,fork", "exec:/bin/cat")
    stage.docker("run", "-d", "--name", "c1", "-p", "5353:53/udp", "tools", *server)


def test_udp(stage, echo):
    assert ports(stage, "c1") == "53/udp -> 0.0.0.0:5353\n53/udp -> [::]:5353"
    assert "-A DOCKER ! -i docker0 -p udp -m udp --dport 5353" in "\n".join(stage.rules("nat"))
    answer = stage.lab.run("lan", "socat", "-t2", "-", "udp:10.0.0.5:5353", input="over udp")
    assert answer.text == "over udp"


def test_udp_through_the_proxy(stage, echo):
    assert (
        stage.host("socat", "-t2", "-", "udp:127.0.0.1:5353", input="over loopback").text == "over loopback"
    )


def test_a_proxy_that_is_killed_is_back_before_the_next_connect_is_answered(stage):
    stage.web("c1", "-p", "8080:80")
    find = "grep -slx linkspan-proxy /proc/[0-9]*/comm"
    first = stage.host("sh", "-c", find).text
    for _ in range(2):
        stage.host("sh", "-c", f"kill -9 $({find} | cut -d/ -f3)")
        assert stage.get("host", "http://127.0.0.1:8080/")
    assert stage.host("sh", "-c", find).text != first
    stage.docker("rm", "-f", "c1")
    assert "Connection refused" in stage.host("nc", "-z", "-v", "127.0.0.1", "8080", check=False).err


def test_a_range_is_one_rule(stage):
    before = len(stage.rules("nat")), len(stage.rules("filter"))
    stage.sleeper("c1", "-p", "8000-8999:8000-8999")
    nat, filter = stage.rules("nat"), stage.rules("filter")
    assert (len(nat) - before[0], len(filter) - before[1]) == (2, 1)  # DNAT and hairpin; ACCEPT
    assert any("--dport 8000:8999 -j DNAT" in rule for rule in nat)


def test_a_range_answers_on_its_ports(stage):
    stage.web("c1", "-p", "8000-8099:8000-8099", port="8042")
    assert stage.get("lan", "http://10.0.0.5:8042/")
    assert stage.get("host", "http://127.0.0.1:8042/")


def test_a_shifted_range_keeps_its_order(stage):
    stage.web("c1", "-p", "8003-8012:9000-9009", port="9005")
    assert stage.get("lan", "http://10.0.0.5:8008/")
    assert stage.get("lan", "http://10.0.0.5:8003/", timeout=1) == ""


def test_a_range_for_one_port_picks_the_first_free(stage):
    stage.sleeper("c1", "-p", "8080:80")
    stage.web("c2", "-p", "8080-8085:80")
    assert ports(stage, "c2") == "80/tcp -> 0.0.0.0:8081\n80/tcp -> [::]:8081"


def test_publish_all_takes_the_images_ports(stage):
    stage.docker(
        "import", "-c", "EXPOSE 80/tcp 53/udp", "-c", 'CMD ["sleep","1000"]', rootfs_of(stage), "exposing"
    )
    try:
        stage.docker("run", "-d", "--name", "c1", "-P", "exposing")
        shown = stage.inspect("c1")["NetworkSettings"]["Ports"]
        assert set(shown) == {"80/tcp", "53/udp"}
        assert all(binding["HostPort"].isdigit() for each in shown.values() for binding in each)
    finally:
        stage.docker("rm", "-f", "c1")
        stage.docker("rmi", "exposing")


def rootfs_of(stage) -> str:
    """A tar file of the busybox image's files."""
    path = stage.lab.directory / "rootfs.tar"
    if not path.exists():
        stage.docker("create", "--name", "source", "busybox")
        stage.docker("export", "-o", str(path), "source")
        stage.docker("rm", "source")
    return str(path)


def test_several_ports_of_one_container(stage):
    stage.web("c1", "-p", "8080:80", "-p", "10.0.0.5:9090:80", "-p", "8053:53/udp")
    assert set(stage.docker("ps", "--format", "{{.Ports}}").text.split(", ")) == {
        "0.0.0.0:8053->53/udp",
        "[::]:8053->53/udp",
        "10.0.0.5:9090->80/tcp",
        "0.0.0.0:8080->80/tcp",
        "[::]:8080->80/tcp",
    }
    assert stage.get("lan", "http://10.0.0.5:9090/")


def test_a_taken_port_is_refused_and_nothing_is_left(stage):
    stage.sleeper("c1", "-p", "8080:80")
    before = stage.snapshot()
    result = stage.fails("run", "-d", "--name", "c2", "-p", "8080:80", "busybox", "sleep", "1")
    assert result.code == 125
    assert "Bind for 0.0.0.0:8080 failed: port is already allocated" in result.err
    assert "failed to set up container networking" in result.err
    stage.docker("rm", "c2")
    stage.unchanged_since(before)


def test_a_port_of_another_program_is_refused(stage):
    process = stage.lab.start("host", "busybox", "nc", "-l", "-p", "8080")
    stage.until(lambda: ":8080 " in stage.host("ss", "-nlt").out)
    result = stage.fails("run", "-d", "--name", "c1", "-p", "8080:80", "busybox", "sleep", "1")
    assert "failed to bind host port" in result.err
    assert "address already in use" in result.err
    assert result.code == 125
    assert process.poll() is None
    stage.host("pkill", "-f", "nc -l -p 8080")


def test_nobody_else_can_take_a_published_port(stage):
    stage.sleeper("c1", "-p", "8080:80")
    taken = stage.host("busybox", "nc", "-l", "-p", "8080", check=False)
    assert "in use" in taken.err


def test_the_same_port_on_different_addresses(stage):
    stage.web("c1", "-p", "10.0.0.5:8080:80")
    stage.web("c2", "-p", "100.64.0.2:8080:80")
    assert stage.get("lan", "http://10.0.0.5:8080/") != stage.get("internet", "http://100.64.0.2:8080/")


def test_tcp_and_udp_of_the_same_number(stage):
    stage.sleeper("c1", "-p", "8080:80/tcp", "-p", "8080:80/udp")
    assert len(ports(stage, "c1").splitlines()) == 4


def test_a_port_is_free_again_at_once(stage):
    for _ in range(3):
        stage.sleeper("c1", "-p", "8080:80")
        stage.docker("rm", "-f", "c1")


def test_restart_keeps_the_port(stage):
    stage.web("c1", "-p", "8080:80")
    stage.docker("restart", "-t", "0", "c1")
    stage.until(lambda: stage.get("lan", "http://10.0.0.5:8080/"))


def test_a_stopped_container_frees_its_port(stage):
    before = stage.snapshot()
    stage.sleeper("c1", "-p", "8080:80")
    stage.docker("stop", "-t", "0", "c1")
    assert ":8080 " not in stage.host("ss", "-nlt").out
    assert stage.inspect("c1")["NetworkSettings"]["Ports"] == {}
    stage.docker("rm", "c1")
    stage.unchanged_since(before)


@pytest.fixture
def without_proxy(stage_with):
    """A stage whose daemon runs with --userland-proxy=false."""
    return stage_with("--userland-proxy=false")


def test_without_proxy_all_ways_lead_through_the_kernel(without_proxy):
    stage = without_proxy
    stage.web("c1", "-p", "8080:80")
    stage.sleeper("c2")
    assert stage.get("lan", "http://10.0.0.5:8080/cgi-bin/ip") == "10.0.0.9"
    assert stage.get("host", "http://10.0.0.5:8080/cgi-bin/ip") == "172.17.0.1"
    assert stage.get("host", "http://127.0.0.1:8080/cgi-bin/ip") == "172.17.0.1"
    assert stage.inside("c1", "timeout", "2", "wget", "-qO-", "http://10.0.0.5:8080/cgi-bin/ip").text
    assert stage.inside("c2", "timeout", "2", "wget", "-qO-", "http://10.0.0.5:8080/cgi-bin/ip").text


def test_without_proxy_the_rules_are_dockers(without_proxy):
    stage = without_proxy
    stage.sleeper("c1", "-p", "8080:80")
    rules = stage.rules("nat")
    assert "-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER" in rules
    assert "-A POSTROUTING -o docker0 -m addrtype --src-type LOCAL -j MASQUERADE" in rules
    assert "-A DOCKER -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80" in rules
    assert stage.host("cat", "/proc/sys/net/ipv4/conf/docker0/route_localnet").text == "1"
    veth = stage.veths()[0]
    assert stage.host("cat", f"/sys/class/net/{veth}/brport/hairpin_mode").text == "1"


def test_without_proxy_the_port_is_held(without_proxy):
    without_proxy.sleeper("c1", "-p", "8080:80")
    taken = without_proxy.host("busybox", "nc", "-l", "-p", "8080", check=False)
    assert "in use" in taken.err
