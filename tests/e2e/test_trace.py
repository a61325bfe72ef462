"""Traces are computed from the kernel's rules, and real packets go the same way."""

from __future__ import annotations

import json

import pytest

HOST = "10.0.0.5"


def computed(stage, *arguments):
    done = stage.lab.linkspan("trace", "--json", *arguments, check=False)
    assert done.out, done.both
    found = json.loads(done.out)
    texts = [rule["Text"] for step in found["Steps"] for rule in step["Rules"]]
    return found, texts


@pytest.fixture(params=["iptables", "nftables", "nftables without the proxy"])
def town(request, stage_with):
    """web and peer on docker0, db alone on front, shut on an internal network; web's port 80 published."""
    backend, _, without = request.param.partition(" ")
    stage = stage_with(f"--firewall-backend={backend}", f"--userland-proxy={'false' if without else 'true'}")
    stage.docker("network", "create", "front")
    stage.docker("network", "create", "--internal", "shut")
    stage.web("web", "-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "9999:99")
    stage.sleeper("peer")
    stage.web("db", "--network", "front")
    stage.web("inner", "--network", "shut")
    return stage


def test_every_seat_agrees_with_a_real_packet(town):
    """Each way of a packet: between containers of one network, of two, of an internal one, to itself, by a
    published port from each seat, to the resolver, from the host by each of its addresses, to the world.
    """
    wanted = {
        ("peer", "web:80"): "arrives",
        ("peer", "web:81"): "refused",
        ("peer", "db:80"): "stopped",
        ("peer", "web"): "arrives",
        ("peer", f"{HOST}:8080"): "arrives",
        ("peer", f"{HOST}:9999"): "refused",
        ("db", f"{HOST}:8080"): "arrives",
        ("web", f"{HOST}:8080"): "arrives",
        ("web", "web:80"): "arrives",
        ("peer", "inner:80"): "stopped",
        ("inner", "internet"): "lost",
        ("inner", "web:80"): "lost",
        ("host", "web:80"): "arrives",
        ("host", "127.0.0.1:8080"): "arrives",
        ("host", "127.0.0.1:8081"): "arrives",
        ("host", f"{HOST}:8080"): "arrives",
        ("host", f"{HOST}:77"): "refused",
        ("peer", "172.17.0.200:80"): "lost",
        ("peer", "internet"): "leaves",
        ("db", "127.0.0.11:53/udp"): "arrives",
        ("db", "127.0.0.11:53"): "arrives",
    }
    found = {}
    for pair in wanted:
        answer, _ = computed(town, "--live", *pair)
        found[pair] = answer["Verdict"]
        assert answer["Live"]["Agrees"], (pair, answer)
    assert found == wanted


def test_what_stops_a_packet_is_named_with_its_owner_and_remedy(town):
    found, texts = computed(town, "lan", "web:80")
    assert (found["Verdict"], found["By"]) == ("stopped", "Linkspan")
    assert "publish" in found["Remedy"] or "published port" in found["Remedy"]
    found, texts = computed(town, "lan", "host:8080")
    assert found["Reaches"]
    assert any("DNAT" in text or "dnat" in text for text in texts)
    assert town.get("lan", f"http://{HOST}:8080/")
    found, _ = computed(town, "lan", f"{HOST}:8081")
    assert found["Verdict"] == "refused"
    found, _ = computed(town, "lan", "127.0.0.1:8081")
    assert not found["Reaches"], "a neighbour that forges a loopback destination"
    town.host("nft", "add", "table", "inet", "mine")
    town.host("nft", "add chain inet mine block { type filter hook forward priority 5; }")
    town.host("nft", "add rule inet mine block tcp dport 80 counter drop")
    found, _ = computed(town, "lan", "host:8080")
    assert (found["Verdict"], found["By"]) == ("stopped", "somebody else")
    assert found["Rule"]["Text"] == "tcp dport 80 drop"
    assert town.get("lan", f"http://{HOST}:8080/", timeout=0.5) == ""
    assert computed(town, "lan", "host:8080")[0]["Rule"]["Packets"] > 0
    town.host("sh", "-c", found["Remedy"])
    assert town.get("lan", f"http://{HOST}:8080/")
    town.inside("db", "true")
    pid = town.inspect("db")["State"]["Pid"]
    town.host(
        "nsenter", "-t", str(pid), "-n", "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "80", "-j", "DROP"
    )
    found, _ = computed(town, "host", "db:80")
    assert (found["Verdict"], found["By"]) == ("stopped", "the container's own firewall")
    assert found["Remedy"] == "in the container: iptables -D INPUT -p tcp -m tcp --dport 80 -j DROP"


def test_the_text_and_the_exit_code(stage):
    stage.web("web", "-p", "8080:80")
    stage.docker("network", "create", "front")
    stage.web("db", "--network", "front")
    shown = stage.lab.linkspan("trace", "lan", "host:8080")
    assert "  comes in on eth0\n" in shown.out
    assert "✓ taken by httpd in web" in shown.out
    stopped = stage.lab.linkspan("trace", "web", "db:80", check=False)
    assert stopped.code == 1
    assert "✗ dropped in host, prerouting\n  by Linkspan: ip raw -A PREROUTING" in stopped.out
    assert "remedy: " in stopped.out
    tables = stage.host("nft", "list", "tables").out
    for bad, words in (
        (("nobody", "web:80"), '"nobody" is no container, service or address'),
        (("web", "web:80/sctp"), '"sctp" is no protocol that can be traced'),
        (("--live", "lan", "host:8080"), "--live sends from containers and from the host"),
    ):
        refused = stage.lab.linkspan("trace", *bad, check=False)
        assert refused.code == 1
        assert words in refused.err
    assert stage.host("nft", "list", "tables").out == tables
