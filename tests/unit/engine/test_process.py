"""From documents to what the runtime runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from linkspan.engine.configuration import complete_config, complete_host_config
from linkspan.engine.files import Files
from linkspan.engine.process import PATH, Place, container_process, environment, resources
from linkspan.model.container import Container, MountPoint
from linkspan.runtime.process import ContainerProcess, Device, Rate, Ulimit

FILES = Files(Path("/c/hosts"), Path("/c/hostname"), Path("/c/resolv.conf"))


def process(
    config: dict[str, Any] | None = None, host: dict[str, Any] | None = None, **fields: Any
) -> ContainerProcess:
    mounts = fields.pop("mounts", ())
    container = Container(
        id="a" * 64,
        name="web",
        created="",
        image_id="",
        image="busybox",
        path="sh",
        args=("-c", "ls"),
        config=complete_config(config or {}),
        host_config=complete_host_config(host),
        mounts=mounts,
    )
    place = Place(Path("/root"), Path("/log"), FILES, "h", "", **fields)
    return container_process(container, place)


def test_a_plain_container() -> None:
    plain = process(netns="/run/ns")
    assert (plain.args, plain.cwd, plain.user, plain.netns) == (("sh", "-c", "ls"), "/", "", "/run/ns")
    assert (plain.pid, plain.ipc, plain.uts, plain.seccomp) == ("private", "private", "private", "")
    assert plain.hostname == "h"
    assert plain.masked_paths


def test_the_environment_has_dockers_variables_and_the_containers_own() -> None:
    assert environment({}, "h") == (PATH, "HOSTNAME=h")
    found = environment({"Env": ["A=1=2", "PATH=/x", "HOSTNAME", "EMPTY="], "Tty": True}, "h")
    assert found == ("PATH=/x", "TERM=xterm", "A=1=2", "EMPTY=")


def test_the_three_files_are_mounted_unless_the_user_mounts_there() -> None:
    own = MountPoint("bind", "/my/hosts", "/etc/hosts", read_only=True)
    targets = {mount.target: mount for mount in process(mounts=(own,)).mounts}
    assert set(targets) == {"/etc/resolv.conf", "/etc/hostname", "/etc/hosts"}
    assert targets["/etc/hosts"].source == "/my/hosts"
    assert targets["/etc/hosts"].options == ("rbind", "rprivate", "ro")
    assert targets["/etc/hostname"].source == "/c/hostname"


def test_volumes_and_tmpfs() -> None:
    volume = MountPoint("volume", "/v/_data", "/data", name="v", subpath="sub")
    tmpfs = MountPoint("tmpfs", "", "/t", options=("size=1",))
    bind = MountPoint("bind", "/s", "/b", propagation="rshared", options=("bind",))
    asked = process(mounts=(volume, tmpfs, bind), sources={"/data": "/parts/0"})
    found = {mount.target: mount for mount in asked.mounts}
    assert found["/data"].source == "/parts/0"
    assert (found["/t"].type, found["/t"].options) == ("tmpfs", ("size=1", "rw"))
    assert found["/b"].options == ("bind", "rshared", "rw")


@pytest.mark.parametrize(
    ("options", "able", "access"),
    [((), True, "rro"), ((), False, "ro"), (("shallow",), True, "ro"), (("bind",), True, "ro")],
)
def test_read_only_binds_are_so_all_the_way_down(options: tuple[str, ...], able: bool, access: str) -> None:
    bind = MountPoint("bind", "/s", "/b", read_only=True, propagation="rprivate", options=options)
    trees = frozenset({"/b"} if able else ())
    found = {mount.target: mount for mount in process(mounts=(bind,), trees=trees).mounts}
    assert found["/b"].options[-1] == access


def test_security_options() -> None:
    assert process(host={"SecurityOpt": ["seccomp=unconfined"]}).seccomp == "unconfined"
    assert process(host={"SecurityOpt": ["seccomp:unconfined"]}).seccomp == "unconfined"
    assert process(host={"SecurityOpt": ["no-new-privileges"]}).no_new_privileges
    assert not process(host={"SecurityOpt": ["no-new-privileges:false"]}).no_new_privileges


def test_devices_and_ulimits() -> None:
    found = process(
        host={
            "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}],
            "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}],
        }
    )
    assert found.devices == (Device("/dev/null", "/dev/x", "r"),)
    assert found.ulimits == (Ulimit("nofile", 1, 2),)


def test_shared_namespaces() -> None:
    found = process(host={"IpcMode": "container:x", "PidMode": "host"}, ipc="/proc/1/ns/ipc", shm="/shm")
    assert (found.ipc, found.pid, found.shm_path) == ("/proc/1/ns/ipc", "host", "/shm")


def test_rates_of_devices() -> None:
    entries = {"BlkioDeviceWriteIOps": [{"Path": "/dev/null", "Rate": 7}], "BlkioDeviceReadBps": []}
    assert resources(complete_host_config(entries)).rates == (Rate("WriteIOps", 1, 3, 7),)


def test_limits_that_are_zero_are_none() -> None:
    host = complete_host_config({"Memory": 8 << 20, "MemorySwappiness": -1, "PidsLimit": 0})
    found = resources(host)
    assert (found.memory, found.memory_swappiness, found.pids_limit, found.nano_cpus) == (
        8 << 20,
        None,
        None,
        None,
    )
    assert resources(complete_host_config({"MemorySwappiness": 0})).memory_swappiness == 0


def test_the_daemons_limits_hold_where_a_container_has_none() -> None:
    defaults = (Ulimit("nofile", 10, 20), Ulimit("core", 0, 0))
    limited = process(host={"Ulimits": [{"Name": "core", "Soft": 5, "Hard": 5}]}, ulimits=defaults)
    assert set(limited.ulimits) == {Ulimit("core", 5, 5), Ulimit("nofile", 10, 20)}
