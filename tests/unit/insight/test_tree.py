"""The map in a terminal."""

from __future__ import annotations

import re

from linkspan.insight.graph import graph
from linkspan.insight.tree import tree


def test_everything_hangs_where_it_is_plugged_in(seen):
    assert (
        tree(seen)
        == """\
host
├─ lo (1)  127.0.0.1/8
├─ eth0 (2)  10.0.0.5/24
├─ docker0 (4)  bridge  172.17.0.1/16
│  └─ veth0000001 (5) ↔ eth0 (2)  web  172.17.0.2
│     ├─ 8080 → 80/tcp
│     └─ 127.0.0.1:9000-9010 → 9000-9010/tcp
├─ br-cccccccccccc (6)  shop_back  172.18.0.1/16  [internal]
│  ├─ veth0000003 (8) ↔ eth0 (2)  db  172.18.0.3
│  └─ veth0000002 (7) ↔ eth1 (3)  web  172.18.0.2
├─ not running
│  └─ off
├─ the host's own namespace (--network host)
│  └─ direct
└─ the namespace of web (--network container:)
   └─ side"""
    )


def test_no_line_is_longer_than_the_terminal(seen):
    seen["Containers"][-1]["Name"] = "w" * 100
    lines = tree(seen).splitlines()
    assert max(map(len, lines)) == 80
    assert any(line.endswith("w…") for line in lines)


def test_two_hundred_containers(seen):
    """Each is drawn once where it is plugged in, and the picture is made of as many boxes and cables."""
    web = next(each for each in seen["Containers"] if each["Name"] == "web")
    point = web["Endpoints"][0]
    crowd = [
        {
            **web,
            "Id": f"{number:012x}".ljust(64, "0"),
            "Name": f"c{number}",
            "Endpoints": [{**point, "HostLink": f"veth{number:07x}", "HostIndex": 100 + number}],
            "Ports": [],
        }
        for number in range(200)
    ]
    seen["Containers"] += crowd
    lines = tree(seen).splitlines()
    drawn = [line for line in lines if re.search(r" c\d+  ", line)]
    assert len(drawn) == len(set(drawn)) == 200
    assert max(map(len, lines)) <= 80
    picture = graph(seen)
    assert sum(cable.start == "net_bbbbbbbbbbbb" for cable in picture.cables) == 201
    assert len({node.id for node in picture.nodes}) == len(picture.nodes)
