"""Cgroup layouts and mounts, read from /proc texts."""

from pathlib import Path

from linkspan.runtime import cgroups
from linkspan.runtime.cgroups import Layout

V2 = "31 23 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n"
V1 = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
V1 += "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup c rw,memory\n"
UNIFIED = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"


def test_layouts():
    assert cgroups.detect(V2, "") == Layout(v2=True)
    assert cgroups.detect(V1, "") == Layout()
    assert cgroups.detect(V1 + UNIFIED, "hugetlb\n") == Layout(unified=True)
    assert cgroups.detect(V1 + UNIFIED, "\n") == Layout(unified=False)
    assert cgroups.detect("23 27 0:22 / /sys rw - sysfs sysfs rw\n", "") == Layout(mounted=False)
    assert cgroups.here().mounted in (True, False)


def test_hierarchies_as_mount_options():
    text = "9:name=systemd:/\n4:memory:/x\n3:cpu,cpuacct:/\n0::/\n"
    assert cgroups.hierarchies(text) == ["none,name=systemd", "memory", "cpu,cpuacct"]
    assert cgroups.hierarchies("0::/user.slice\n") == []


def test_the_mount_a_path_lies_on():
    text = (
        "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        "28 27 0:9 / /run rw shared:7 - tmpfs tmpfs rw\n"
        "29 27 254:0 /var/lib/my\\040data /var/lib/my\\040data rw shared:9 master:1 - ext4 /dev/vda rw\n"
    )
    assert cgroups.mount_of(text, Path("/etc")) == cgroups.MountPoint("/", "ext4", False)
    assert cgroups.mount_of(text, Path("/run/x")).shared
    assert cgroups.mount_of(text, Path("/runner")).path == "/"
    bound = cgroups.mount_of(text, Path("/var/lib/my data"))
    assert (bound.path, bound.root, bound.shared) == ("/var/lib/my data", "/var/lib/my data", True)
    assert cgroups.below(text, Path("/var")) == ["/var/lib/my data"]
    assert cgroups.below(text, Path("/run")) == []
