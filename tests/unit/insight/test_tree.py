"""The map in a terminal."""

from __future__ import annotations

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
