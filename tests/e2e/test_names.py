"""Names end to end: dig inside containers, name servers of every kind in the internet, the three files."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SERVER = "198.51.100.53"
HOST_IN_INTERNET = r"100\.64\.0\.2|192\.0\.2\.2"
#: dig and all it needs, lent by the machine below.
TOOLS = ("-v", "/usr:/usr:ro", "-v", "/lib:/lib:ro", "-v", "/lib64:/lib64:ro")


class Names:
    """A stage with a name server in the internet, and dig inside containers."""

    def __init__(self, stage) -> None:
        self.stage = stage

    def asker(self, name: str, *flags: str) -> str:
        """Start a container that can dig; its name."""
        self.stage.sleeper(name, *TOOLS, *flags)
        return name

    def dig(self, container: str, *arguments: str) -> str:
        return self.stage.inside(
            container, "dig", "+nocookie", "+tries=1", "+time=3", *arguments, check=False
        ).out

    def short(self, container: str, *arguments: str) -> list[str]:
        """The answers, as they come."""
        return self.dig(container, "+short", *arguments).split()

    def verdict(self, container: str, *arguments: str) -> tuple[str, int]:
        """The response code, and how many answers there are."""
        text = self.dig(container, *arguments)
        found = re.search(r"status: (\w+)", text), re.search(r"ANSWER: (\d+)", text)
        assert found[0] and found[1], text
        return found[0][1], int(found[1][1])

    def milliseconds(self, container: str, *arguments: str) -> int:
        found = re.search(r"Query time: (\d+) msec", text := self.dig(container, *arguments))
        assert found, text
        return int(found[1])


@pytest.fixture(scope="session")
def name_server(shared_stage, tmp_path_factory) -> Path:
    """The lab's name server in the internet; the file of the queries that it got."""
    log = tmp_path_factory.mktemp("names") / "queries"
    serve(shared_stage.lab, log, SERVER)
    return log


def serve(lab, log: Path, *addresses: str) -> None:
    """Start name_server.py at these addresses of the internet, writing queries to `log`."""
    program = Path(__file__).with_name("name_server.py")
    for address in addresses:
        command = f"exec '{sys.executable}' '{program}' {address} >>'{log}' 2>&1"
        lab.start("internet", "sh", "-c", command)
        deadline = time.monotonic() + 10
        while lab.run("internet", "dig", "+tries=1", "+time=1", f"@{address}", "up", check=False).code:
            assert time.monotonic() < deadline, log.read_text()


@pytest.fixture
def names(stage, name_server) -> Iterator[Names]:
    stage.docker("network", "create", "--subnet", "10.50.0.0/24", "one")
    yield Names(stage)


def test_names_of_one_network(names, stage):
    """Name, short id, hostname, full hostname, alias; upper case; `name.network`; and the way back."""
    ask = names.asker("ask", "--network", "one")
    id = stage.sleeper(
        "web", "--network", "one", "--ip", "10.50.0.9", "--network-alias", "shop", "--hostname", "box",
        "--domainname", "example.com",
    )  # fmt: skip
    for name in ("web", id[:12], "box", "box.example.com", "shop", "WEB", "web.one", "shop.one"):
        assert names.short(ask, name) == ["10.50.0.9"], name
    assert names.short(ask, "-x", "10.50.0.9") == ["web.one."]
    assert names.verdict(ask, "web", "AAAA") == ("NOERROR", 0)
    assert names.verdict(ask, "web", "MX") == ("NOERROR", 0)
    assert names.short(ask, "+tcp", "web") == ["10.50.0.9"]
    stage.docker("rename", "web", "site")
    assert names.short(ask, "site") == ["10.50.0.9"]
    assert names.short(ask, "web") != ["10.50.0.9"]
    assert names.short(ask, "shop") == ["10.50.0.9"]


def test_a_name_with_many_holders_is_shuffled(names, stage):
    ask = names.asker("ask", "--network", "one")
    for number in range(3):
        stage.sleeper(f"w{number}", "--network", "one", "--network-alias", "pool")
    first = {names.short(ask, "pool")[0] for _ in range(15)}
    assert first == {stage.address(f"w{number}", "one") for number in range(3)}
    stage.docker("rm", "-f", "w1")
    assert len(names.short(ask, "pool")) == 2


def test_names_are_seen_on_shared_networks_only(names, stage):
    stage.docker("network", "create", "two")
    ask = names.asker("ask", "--network", "one")
    stage.sleeper("far", "--network", "two")
    stage.sleeper("both", "--network", "one")
    stage.docker("network", "connect", "--alias", "bridge-head", "two", "both")
    assert names.verdict(ask, "nx.far") == ("NXDOMAIN", 0)
    assert names.short(ask, "far") == ["203.0.113.77"], "the world's answer"
    assert names.short(ask, "both") == [stage.address("both", "one")]
    assert names.short(ask, "bridge-head") == ["203.0.113.77"]

    stage.docker("network", "connect", "--link", "far:DB", "two", ask)
    assert names.short(ask, "far") == names.short(ask, "db") == [stage.address("far", "two")]
    assert names.short(ask, "bridge-head") == [stage.address("both", "two")]
    hosts = stage.inside(ask, "cat", "/etc/hosts").out
    assert stage.address(ask, "one") in hosts and stage.address(ask, "two") in hosts
    gone = stage.address(ask, "two")
    stage.docker("network", "disconnect", "two", ask)
    assert names.short(ask, "far") == ["203.0.113.77"]
    assert gone not in stage.inside(ask, "cat", "/etc/hosts").out


def test_both_families(names, stage):
    stage.docker("network", "create", "--ipv6", "--subnet", "fd00:77::/64", "six")
    ask = names.asker("ask", "--network", "six")
    stage.sleeper("web", "--network", "six", "--ip6", "fd00:77::9")
    assert names.short(ask, "web", "AAAA") == ["fd00:77::9"]
    assert names.short(ask, "web") == [stage.address("web", "six")]
    assert names.short(ask, "-x", "fd00:77::9") == ["web.six."]
    assert "fd00:77::" in stage.inside(ask, "cat", "/etc/hosts").out


def test_the_world_is_asked_for_all_else(names, stage, name_server):
    ask = names.asker("ask", "--network", "one")
    assert names.short(ask, "www.example.org") == ["203.0.113.77"]
    assert names.verdict(ask, "nx.example.org") == ("NXDOMAIN", 0)
    assert names.short(ask, "lie.example.org") == ["203.0.113.77"]
    assert names.milliseconds(ask, "slow.example.org") >= 900
    big = names.dig(ask, "big.example.org", "TXT")
    assert big.count("piece ") == 100 and "(TCP)" in big
    asked = name_server.read_text()
    assert re.search(rf"(?:{HOST_IN_INTERNET}) tcp big\.example\.org", asked), asked
    names.short(ask, "kept.example.org")
    names.short(ask, "kept.example.org")
    assert name_server.read_text().count("kept.example.org") == 1, "the second answer is the cache's"


def test_servers_of_the_user_are_asked_from_the_container(names, stage, name_server):
    stage.sleeper("dns", "--network", "one", "--ip", "10.50.0.53")
    namespace = stage.inspect("dns")["NetworkSettings"]["SandboxKey"]
    program = Path(__file__).with_name("name_server.py")
    stage.lab.start("host", "nsenter", f"--net={namespace}", sys.executable, str(program), "10.50.0.53")
    ask = names.asker("ask", "--network", "one", "--dns", "10.50.0.53", "--dns-search", "corp.test")
    stage.until(lambda: names.short(ask, "who.example.org", "TXT") == ['"10.50.0.53"'])
    resolv = stage.inside(ask, "cat", "/etc/resolv.conf").out
    assert "nameserver 127.0.0.11\nsearch corp.test\noptions ndots:0\n" in resolv
    assert "ExtServers: [10.50.0.53]" in resolv


def test_internal_networks_never_ask_the_world(names, stage, name_server):
    """CVE-2024-29018: names must not leave an internal network, by the host's servers neither."""
    stage.docker("network", "create", "--internal", "inner")
    ask = names.asker("ask", "--network", "inner")
    stage.sleeper("db", "--network", "inner")
    assert names.short(ask, "db") == [stage.address("db", "inner")]
    assert names.verdict(ask, "secret.example.org") == ("SERVFAIL", 0)
    assert "secret" not in name_server.read_text()
    stage.docker("network", "connect", "one", ask)
    assert names.short(ask, "www.example.org") == ["203.0.113.77"], "one way out is a way out"


def test_a_container_may_serve_names_itself(names, stage):
    script = (
        "for it in TCP4-LISTEN UDP4-RECVFROM; do socat $it:53,fork SYSTEM:'read x; echo mine' & done; wait"
    )
    stage.docker("run", "-d", "--name", "own", "--network", "one", *TOOLS, "busybox", "sh", "-c", script)
    stage.sleeper("web", "--network", "one")
    for protocol in ("tcp", "udp"):
        bound = ("grep", "-q", " 00000000:0035 ", f"/proc/net/{protocol}")
        stage.until(lambda bound=bound: stage.inside("own", *bound, check=False).code == 0)
    own = stage.inside("own", "sh", "-c", "echo ask | socat -t 5 - TCP4:127.0.0.1:53")
    assert own.text == "mine", "127.0.0.1 is the container's own, as before"
    assert names.short("own", "web") == names.short("own", "+tcp", "web") == [stage.address("web", "one")]


def test_the_hosts_own_names(names, stage):
    ask = names.asker("ask", "--network", "one", "--add-host", "me:host-gateway", "--add-host", "x:192.0.2.7")
    assert names.short(ask, "host.docker.internal") == ["10.50.0.1"]
    assert names.short(ask, "gateway.docker.internal") == ["10.50.0.1"]
    hosts = stage.inside(ask, "cat", "/etc/hosts").out
    assert "172.17.0.1\tme\n" in hosts and "192.0.2.7\tx\n" in hosts


def test_the_default_bridge_has_the_hosts_servers(names, stage):
    old = names.asker("old", "--hostname", "box", "--domainname", "example.com")
    resolv = stage.inside(old, "cat", "/etc/resolv.conf").out
    assert f"nameserver {SERVER}\n" in resolv and "127.0.0.11" not in resolv
    assert names.short(old, "www.example.org") == ["203.0.113.77"]
    assert stage.inside(old, "cat", "/etc/hostname").text == "box.example.com"
    assert f"{stage.address(old)}\tbox.example.com box\n" in stage.inside(old, "cat", "/etc/hosts").out


def test_legacy_links(stage):
    stage.sleeper("db", "--expose", "5432", "-e", "USER=me")
    stage.sleeper("web", "--link", "db:data")
    variables = stage.inside("web", "env").lines
    address = stage.address("db")
    for wanted in (
        "DATA_NAME=/web/data",
        f"DATA_PORT=tcp://{address}:5432",
        f"DATA_PORT_5432_TCP_ADDR={address}",
        "DATA_PORT_5432_TCP_PORT=5432",
        "DATA_PORT_5432_TCP_PROTO=tcp",
        "DATA_ENV_USER=me",
    ):
        assert wanted in variables, wanted
    assert "1 packets received" in stage.inside("web", "ping", "-c1", "data").out

    stage.docker("stop", "-t", "0", "db")
    stage.sleeper("squatter")
    while stage.address("squatter") != address:
        stage.docker("restart", "-t", "0", "squatter")
    stage.docker("start", "db")
    assert stage.address("db") != address
    assert f"{stage.address('db')}\tdata " in stage.inside("web", "cat", "/etc/hosts").out
    assert "1 packets received" in stage.inside("web", "ping", "-c1", "data").out
    stage.docker("stop", "-t", "0", "db")
    refusal = stage.fails("restart", "-t", "0", "web").err
    assert "Cannot link to a non running container: /db AS /web/data" in refusal

    stage.docker("rename", "db", "rows")
    stage.docker("start", "rows", "web")
    assert stage.inspect("web")["HostConfig"]["Links"] == ["/rows:/web/data"]
    assert " rows\n" in stage.inside("web", "cat", "/etc/hosts").out
    stage.docker("rm", "-f", "rows")
    stage.docker("restart", "-t", "0", "web")
    assert "data" not in stage.inside("web", "cat", "/etc/hosts").out
    unknown = stage.fails("create", "--link", "nobody:x", "busybox").err
    assert "could not get container for nobody: No such container: nobody" in unknown


def test_names_while_containers_come_and_go(names, stage):
    """A name that stays is never missed, and each new one resolves as soon as `docker run` returns."""
    ask = names.asker("ask", "--network", "one")
    stage.sleeper("stays", "--network", "one", "--ip", "10.50.0.200")
    over, missed = threading.Event(), []
    script = "for i in $(seq 50); do dig +tries=1 +time=2 +short stays; done"

    def keep_asking() -> None:
        while not over.is_set():
            answers = stage.inside(ask, "sh", "-c", script).lines
            missed.extend(answer for answer in answers if answer != "10.50.0.200")
            assert len(answers) == 50

    def come_and_go(number: int) -> None:
        stage.sleeper(f"n{number}", "--network", "one")
        assert names.short(ask, f"n{number}") == [stage.address(f"n{number}", "one")]
        stage.docker("rm", "-f", f"n{number}")
        assert names.short(ask, f"n{number}") == ["203.0.113.77"]

    with ThreadPoolExecutor(4) as pool:
        asking = pool.submit(keep_asking)
        try:
            list(pool.map(come_and_go, range(24)))
        finally:
            over.set()
        asking.result()
    assert not missed


def test_host_servers_dead_or_changed_and_a_crash_of_the_daemon(own_stage, tmp_path):
    """A dead first server costs little; new containers see the host's new servers; names survive a crash."""
    stage, lab, names = own_stage, own_stage.lab, Names(own_stage)
    serve(lab, tmp_path / "queries", SERVER)
    stage.docker("network", "create", "one")
    resolv = lab.directory / "resolv.conf"
    resolv.write_text(f"nameserver 203.0.113.99\nnameserver {SERVER}\n")
    ask = names.asker("ask", "--network", "one")
    stage.sleeper("web", "--network", "one")
    assert names.milliseconds(ask, "www.example.org") < 800
    assert names.milliseconds(ask, "other.example.org") < 200, "it is asked last for a while"

    lab.kill_daemon()
    lab.daemon()
    began = time.monotonic()
    stage.until(lambda: names.short(ask, "web") == [stage.address("web", "one")])
    assert time.monotonic() - began < 1
    assert names.short(ask, "www.example.org") == ["203.0.113.77"]

    resolv.write_text("nameserver 127.0.0.1\nsearch lan.test\n")
    stage.sleeper("later")
    text = stage.inside("later", "cat", "/etc/resolv.conf").out
    assert "nameserver 8.8.8.8\nnameserver 8.8.4.4\nsearch lan.test\n" in text
    stage.sleeper("newer", "--network", "one")
    assert "host(127.0.0.1)" in stage.inside("newer", "cat", "/etc/resolv.conf").out
