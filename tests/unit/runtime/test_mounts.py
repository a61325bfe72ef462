"""Default mounts, and the user's over them."""

from dataclasses import replace
from pathlib import Path

from linkspan.runtime import mounts
from linkspan.runtime.process import ContainerProcess, Mount

PLAIN = ContainerProcess(id="c", rootfs=Path("/r"), log_path=Path("/l"), args=("sh",))


def _by_place(process, init=None):
    return {entry["destination"]: entry for entry in mounts.section(process, init)}


def test_docker_s_defaults():
    places = _by_place(PLAIN)
    assert list(places) == ["/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm"]
    assert "ro" in places["/sys"]["options"] and "ro" in places["/sys/fs/cgroup"]["options"]
    assert places["/dev/shm"]["options"][-2:] == ["mode=1777", "size=67108864"]


def test_privileged_opens_them():
    process = replace(PLAIN, privileged=True)
    places = _by_place(process)
    assert "rw" in places["/sys"]["options"] and "ro" not in places["/sys/fs/cgroup"]["options"]
    assert mounts.masked(process) == mounts.readonly(process) == []
    assert "/proc/kcore" in mounts.masked(PLAIN) and "/proc/sys" in mounts.readonly(PLAIN)
    given = replace(process, masked_paths=("/a",), readonly_paths=())
    assert (mounts.masked(given), mounts.readonly(given)) == (["/a"], [])


def test_a_user_s_mount_replaces_a_default_and_parents_come_first():
    wanted = (
        Mount("/data/sub/deep", "/s"),
        Mount("/data", "/d"),
        Mount("/dev/shm/", "/m"),
        Mount("/sys", "/y"),
    )
    places = _by_place(replace(PLAIN, mounts=wanted))
    assert places["/dev/shm"]["source"] == "/m" and places["/sys"]["source"] == "/y"
    order = list(places)
    assert order.index("/data") < order.index("/data/sub/deep")
    whole = _by_place(replace(PLAIN, mounts=(Mount("/dev", "/dev"),)))
    assert [place for place in whole if place.startswith("/dev")] == ["/dev"]


def test_tmpfs_and_init():
    given = replace(PLAIN, tmpfs=(("/run", ""), ("/tmp", "exec,size=1m")))
    places = _by_place(given, "/usr/bin/catatonit")
    assert places["/run"]["options"] == ["noexec", "nosuid", "nodev"]
    assert places["/tmp"]["options"] == ["nosuid", "nodev", "exec", "size=1m"]
    init = places[mounts.INIT_TARGET]
    assert (init["source"], init["options"]) == ("/usr/bin/catatonit", ["bind", "ro"])


def test_ipc_modes():
    assert "/dev/shm" not in _by_place(replace(PLAIN, ipc="none"))
    host = _by_place(replace(PLAIN, ipc="host"))
    assert host["/dev/shm"]["source"] == "/dev/shm" and host["/dev/mqueue"]["type"] == "mqueue"
    shared = _by_place(replace(PLAIN, ipc="/proc/9/ns/ipc", shm_path="/e/shm"))
    assert shared["/dev/shm"]["source"] == "/e/shm"
