"""The nftables backend under the real daemon, and the move from one backend to the other."""

from __future__ import annotations

import re
from typing import Any

import pytest

from linkspan.lab import Lab

HOST = "10.0.0.5"


def iptables(stage: Any) -> list[str]:
    """Every rule that iptables knows, of both families."""
    lines = stage.host("sh", "-c", "iptables-save; ip6tables-save").lines
    return [line for line in lines if line.startswith("-A") or " - [" in line]


def ours(stage: Any) -> str:
    """The rule set of nft, without what has been counted."""
    return re.sub(r"packets \d+ bytes \d+", "", stage.host("nft", "list", "ruleset").out)


def backend(stage: Any) -> str:
    return str(stage.docker("info", "--format", "{{json .FirewallBackend}}").text)


def test_a_whole_life_on_nftables(stage_with):
    stage = stage_with("--firewall-backend=nftables")
    before, rules = stage.snapshot(), ours(stage)
    assert '"nftables"' in backend(stage)
    stage.web("web", "-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "7000-7009:8000-8009")
    stage.docker("network", "create", "front")
    stage.web("other", "--network", "front")
    assert stage.get("lan", f"http://{HOST}:8080/") and stage.get("host", "http://127.0.0.1:8081/")
    assert stage.get("lan", f"http://{HOST}:8080/cgi-bin/ip") == "10.0.0.9"
    assert stage.get("lan", f"http://{stage.address('web')}/", timeout=0.5) == ""
    assert stage.inside("other", "wget", "-qO-", f"http://{HOST}:8080/").text
    reached = stage.inside("other", "sh", "-c", f"nc -w 1 {stage.address('web')} 80 </dev/null", check=False)
    assert reached.code != 0
    assert iptables(stage) == []
    stage.docker("network", "connect", "front", "web")
    assert stage.inside("other", "wget", "-qO-", "http://web/").text
    stage.clear()
    assert ours(stage) == rules
    stage.unchanged_since(before)


def test_a_range_of_ports_is_one_element_and_no_rule(stage_with):
    stage = stage_with("--firewall-backend=nftables")
    rules = ours(stage).count("\n")
    stage.sleeper("many", "-p", "0.0.0.0:20000-20999:20000-20999")
    assert "tcp . 20000-20999 : 172.17.0.2" in ours(stage)
    assert ours(stage).count("\n") <= rules + 10


def test_the_daemon_moves_the_host_from_one_backend_to_the_other(lab: Lab, stage_with):
    """Restarted with live-restore: the container and its port go on, and no rule of the former is left."""
    stage = stage_with("--live-restore", "--firewall-backend=iptables")
    stage.web("web", "-p", "8080:80")
    first = iptables(stage)
    assert "linkspan" not in ours(stage).replace("linkspan_dns", "")
    for name in ("nftables", "iptables"):
        lab.stop_daemon()
        assert stage.get("lan", f"http://{HOST}:8080/")
        lab.daemon("--live-restore", f"--firewall-backend={name}")
        assert f'"{name}"' in backend(stage)
        assert stage.get("lan", f"http://{HOST}:8080/cgi-bin/ip") == "10.0.0.9"
        assert stage.get("lan", f"http://{stage.address('web')}/", timeout=0.5) == ""
        assert ("table ip linkspan" in ours(stage)) == (name == "nftables")
        assert sorted(iptables(stage)) == (sorted(first) if name == "iptables" else [])
    stage.docker("rm", "-f", "web")
    assert stage.get("lan", f"http://{HOST}:8080/") == ""


def test_rules_of_the_user_outlive_restarts(lab: Lab, stage_with):
    stage = stage_with("--firewall-backend=nftables")
    stage.web("web", "-p", "8080:80")
    stage.host("nft", "add", "rule", "ip", "linkspan", "user", "iifname", "eth0", "drop")
    assert stage.get("lan", f"http://{HOST}:8080/", timeout=0.5) == ""
    lab.stop_daemon()
    lab.daemon("--firewall-backend=nftables")
    stage.docker("start", "web")
    assert stage.get("lan", f"http://{HOST}:8080/", timeout=0.5) == ""
    stage.host("nft", "flush", "chain", "ip", "linkspan", "user")
    stage.until(lambda: stage.get("lan", f"http://{HOST}:8080/"))


def test_what_would_drop_our_packets_is_told(lab: Lab, stage_with):
    lab.run("host", "iptables", "-P", "FORWARD", "DROP")
    stage = stage_with("--firewall-backend=nftables")
    remedy = "`iptables -P FORWARD ACCEPT`"
    assert remedy in lab.daemon_log()
    assert remedy in stage.docker("info").both
    assert remedy in stage.docker("run", "--rm", "busybox", "true").err
    assert remedy not in stage.docker("run", "--rm", "--network", "host", "busybox", "true").err
    assert ":FORWARD DROP" in stage.host("iptables-save").out


def test_a_table_of_our_name_stops_the_daemon_from_starting(lab: Lab):
    lab.run("host", "nft", "add", "table", "ip", "linkspan")
    with pytest.raises(Exception, match="the nftables table ip linkspan was made by somebody else"):
        lab.daemon("--firewall-backend=nftables")
    assert lab.run("host", "nft", "list", "ruleset").text == "table ip linkspan {\n}"


def test_auto_is_nftables_where_iptables_is_not_installed(lab: Lab, stage_with):
    """Names work as well: the resolver is reached by rules of nft then."""
    for name in ("iptables-restore", "iptables-legacy-restore"):
        lab.run("host", "mount", "--bind", "/dev/null", f"/usr/sbin/{name}")
    stage = stage_with()
    assert '"nftables"' in backend(stage)
    stage.docker("network", "create", "front")
    stage.web("web", "--network", "front", "-p", "8080:80")
    stage.sleeper("asking", "--network", "front")
    assert stage.inside("asking", "wget", "-qO-", "http://web/").text
    assert stage.get("lan", f"http://{HOST}:8080/")
