"""What Linkspan says of the network is what the kernel holds: links, maps, commands that build it again."""

from __future__ import annotations

import json
import re

import pytest

#: what a link is, beside what follows from it
LINK = ("ifname", "mtu", "txqlen", "master", "ifalias")
QUESTIONS = ("ip -j -d addr", "iptables-save; ip6tables-save", "nft -j list ruleset")
INSIDE = ("ip -j addr", "ip -j -4 route", "ip -j -6 route")
MARK = "=====\n"


def asked(names, enter):
    """A shell script that asks the host and each container; `enter` is how a command gets inside."""
    lines = [*QUESTIONS, *(f"{enter[name]} {question}" for name in names for question in INSIDE)]
    return f"\necho {MARK.strip()}\n".join(lines)


def answers(text, names):
    """What the script printed, without what depends on indexes, handles and counters."""
    addresses, rules, listed, *rest = text.split(MARK)
    links = [
        {key: each.get(key) for key in LINK}
        | {"kind": (each.get("linkinfo") or {}).get("info_kind"), "addresses": _addresses(each)}
        for each in json.loads(addresses)
        if each["ifname"] not in ("lo", "eth0", "eth1")
    ]
    tables = [
        re.sub(r'"(handle|packets|bytes)": \d+', "", json.dumps(_sorted(each)))
        for each in json.loads(listed)["nftables"]
        if any(part.get("table") == "linkspan" for part in each.values())
    ]
    return {
        "links": sorted(links, key=lambda each: each["ifname"]),
        # What drops is appended and what opens is inserted; among each other they stand in any order.
        "rules": sorted(line for line in rules.splitlines() if line.startswith("-A")),
        "tables": sorted(tables),
        "inside": [_inside(*rest[3 * n : 3 * n + 3]) for n in range(len(names))],
    }


def _sorted(value):
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return sorted((_sorted(each) for each in value), key=str)
    return value


def _addresses(link):
    return sorted(
        f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"] if each["scope"] == "global"
    )


def _inside(addresses, *routes):
    links = [
        {key: each.get(key) for key in ("ifname", "mtu", "address", "operstate")}
        | {"addresses": _addresses(each)}
        for each in json.loads(addresses)
    ]
    ways = [
        {key: each.get(key) for key in ("dst", "gateway", "dev")}
        for text in routes
        for each in json.loads(text)
        if not each["dst"].startswith(("fe80", "multicast", "ff00"))
    ]
    return links, ways


@pytest.mark.parametrize("backend", ["iptables", "nftables"])
def test_the_commands_build_the_same_network_by_hand(stage_with, tmp_path, backend):
    stage = stage_with(f"--firewall-backend={backend}")
    stage.docker("network", "create", "--ipv6", "front")
    stage.docker("network", "create", "--internal", "back")
    stage.sleeper("web", "-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "7000-7009:7000-7009/udp")
    stage.sleeper("db", "--network", "front", "-p", "5432:5432")
    stage.docker("network", "connect", "back", "web")
    names = ("web", "db")
    pids = {name: f"nsenter -t {stage.inspect(name)['State']['Pid']} -n" for name in names}
    expected = answers(stage.host("sh", "-c", asked(names, pids)).out, names)
    script = tmp_path / "build.sh"
    script.write_text(stage.lab.linkspan("commands").out)
    alone = "mount --make-rprivate /; mkdir -p /run/netns; mount -t tmpfs none /run/netns; ip link set lo up"
    entering = asked(names, {name: f"ip netns exec {name}" for name in names})
    text = f"set -e; {alone}; sh -e {script} >&2\n{entering}"
    built = answers(stage.host("unshare", "-n", "-m", "sh", "-c", text).out, names)
    assert built == expected


def test_links_and_map_name_what_ip_link_shows(stage):
    stage.sleeper("web", "-p", "8080:80")
    stage.docker("network", "create", "--internal", "back")
    stage.docker("network", "connect", "back", "web")
    index = {each["ifname"]: each["ifindex"] for each in json.loads(stage.host("ip", "-j", "link").out)}
    rows = json.loads(stage.lab.linkspan("links", "web", "--json").out)
    hosts = [re.fullmatch(r"(veth[0-9a-f]{7}) \((\d+)\)", row["HostLink"]).groups() for row in rows]
    assert [index[name] == int(number) for name, number in hosts] == [True, True]
    outside = [each["HostInterface"] for each in stage.inspect("web")["NetworkSettings"]["Networks"].values()]
    assert {(each["Name"], each["Index"]) for each in outside} == {
        (name, int(number)) for name, number in hosts
    }
    for name, _ in hosts:
        assert re.search(
            r"alias linkspan:endpoint:[0-9a-f]{64}:web$", stage.host("ip", "link", "show", name).text
        )
    assert [row["Link"].split()[0] for row in rows] == ["eth0", "eth1"]
    picture = stage.lab.linkspan("map").out
    assert f"docker0 ({index['docker0']})  bridge  172.17.0.1/16" in picture
    assert f"{hosts[0][0]} ({index[hosts[0][0]]}) ↔ eth0" in picture
    assert "8080 → 80/tcp" in picture
    assert "[internal]" in picture
    assert "<svg" in stage.lab.linkspan("map", "--format", "svg").out
    refused = stage.lab.linkspan("map", "nobody", check=False)
    assert (refused.code, refused.out) == (1, "")
    assert 'container is called "nobody"' in refused.err
