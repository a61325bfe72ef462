"""Hierarchies of the three kinds of machines: v1, hybrid, v2."""

from __future__ import annotations

from pathlib import Path

from linkspan.lab.cgroups import Hierarchy, hierarchies

HYBRID = """\
30 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
31 24 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
32 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
33 24 0:30 / /tmp rw - tmpfs tmpfs rw
"""


def test_hybrid():
    found = hierarchies(HYBRID, "3:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/c\n")
    assert found == [
        Hierarchy(Path("/sys/fs/cgroup/cpu,cpuacct"), "cgroup", "cpu,cpuacct", "/a"),
        Hierarchy(Path("/sys/fs/cgroup/systemd"), "cgroup", "none,name=systemd", "/b"),
        Hierarchy(Path("/sys/fs/cgroup/unified"), "cgroup2", "", "/c"),
    ]


def test_v2_alone():
    line = "30 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot"
    assert hierarchies(line, "0::/user.slice\n") == [
        Hierarchy(Path("/sys/fs/cgroup"), "cgroup2", "", "/user.slice")
    ]
