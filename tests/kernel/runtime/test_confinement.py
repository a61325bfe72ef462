"""What a container may and may not do: Docker's defaults, and the options that change them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from linkspan.model.errors import LinkspanError
from linkspan.runtime import programs
from linkspan.runtime.process import Device, Mount


async def _output(lab, script, **fields):
    status, out, err = await lab.run("sh", "-c", script, **fields)
    return status.code, out.decode() + err.decode()


async def _status(lab, **fields):
    return _fields((await _output(lab, "cat /proc/self/status", **fields))[1])


def _fields(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


@pytest.mark.parametrize(
    "command",
    [
        "mount -t tmpfs x /tmp",
        "unshare -m true",
        "hostname other",
        "echo 1 > /proc/sys/kernel/panic",
        "echo b > /proc/sysrq-trigger",
        "mkdir /sys/fs/cgroup/pids/x",
    ],
)
async def test_refused_by_default(lab, command):
    assert (await _output(lab, command))[0] != 0


async def test_the_filter_is_in_force_and_privileged_lifts_it(lab):
    default = await _status(lab)
    assert (default["Seccomp"], default["CapEff"]) == ("2", "00000000a80425fb")
    privileged = await _status(lab, privileged=True)
    assert privileged["Seccomp"] == "0"
    assert privileged["CapEff"] == _fields(Path("/proc/self/status").read_text())["CapEff"]
    lifted = await _status(lab, seccomp="unconfined", no_new_privileges=True)
    assert (lifted["Seccomp"], lifted["NoNewPrivs"]) == ("0", "1")


async def test_a_capability_opens_its_system_calls(lab):
    code, text = await _output(lab, "mount -t tmpfs x /tmp && echo mounted", cap_add=("SYS_ADMIN",))
    assert (code, text) == (0, "mounted\n")
    assert (await _output(lab, "chroot / true", cap_drop=("SYS_CHROOT",)))[0] != 0
    assert (await _output(lab, "chroot / true"))[0] == 0


async def test_the_mounts_are_docker_s(lab):
    _, text = await _output(lab, "mount", shm_size=1 << 20)
    lines = {line.split()[2]: line for line in text.splitlines()}
    assert "(ro," in lines["/sys"] and "size=1024k" in lines["/dev/shm"]
    assert {"/proc", "/dev", "/dev/pts", "/dev/mqueue", "/proc/sys", "/proc/acpi", "/sys/firmware"} <= set(
        lines
    )


async def test_a_read_only_root_with_tmpfs_and_binds(lab, tmp_path):
    (tmp_path / "bound").mkdir()
    (tmp_path / "file").write_text("10.0.0.1 me\n")
    fields = {
        "readonly": True,
        "tmpfs": (("/tmp", "size=64k"),),
        "mounts": (
            Mount("/tmp/bound", str(tmp_path / "bound")),
            Mount("/etc/plain", str(tmp_path / "file"), options=("rbind", "rprivate", "ro")),
        ),
    }
    script = "cat /etc/plain; echo x > /tmp/bound/f; echo y > /tmp/g; echo z > /etc/plain || echo no; > /q"
    _, text = await _output(lab, script, **fields)
    assert text.startswith("10.0.0.1 me\nno\n")
    assert (tmp_path / "bound/f").read_text() == "x\n"
    assert not (lab.rootfs / "q").exists()


async def test_devices(lab):
    script = "ls /dev; echo x > /dev/full; cat /dev/mynull"
    _, text = await _output(lab, script, devices=(Device("/dev/null", "/dev/mynull"),))
    assert "mynull" in text
    assert {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm"} <= set(text.split())


async def test_sysctls_of_the_network_namespace(lab, netns):
    script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ip_forward"
    _, text = await _output(lab, script, netns=netns, sysctls=(("net.ipv4.ip_forward", "1"),))
    assert text == "0\n1\n"


async def test_host_namespaces(lab):
    code, text = await _output(lab, "echo $$; hostname", pid="host", ipc="host", uts="host", hostname="")
    assert code == 0
    assert int(text.split()[0]) > 1
    with open("/proc/sys/kernel/hostname", encoding="utf-8") as file:
        assert text.split()[1] == file.read().strip()


async def test_init_needs_a_program(lab, monkeypatch):
    find_init = programs.find_init
    monkeypatch.setattr(programs, "find_init", lambda: find_init("/nowhere"))
    with pytest.raises(LinkspanError, match="Debian package 'catatonit'"):
        lab.runtime.create(lab.process("true", init=True))


PRIVATE = """
    import asyncio, sys
    from pathlib import Path
    from linkspan.runtime.process import ContainerProcess
    from linkspan.runtime.rootfs import Overlay
    from linkspan.runtime.runtime import Runtime

    root, layer = Path(sys.argv[1]), Path(sys.argv[2])
    runtime = Runtime(root / "exec", root / "data")
    overlay = Overlay(root / "data")
    overlay.prepare("c" * 64, [layer])
    process = ContainerProcess(
        id="c" * 64,
        rootfs=overlay.mount("c" * 64),
        log_path=root / "log",
        args=("sh", "-c", "echo hi; exit 5"),
    )
    runtime.create(process)
    runtime.start(process.id)
    print(asyncio.run(runtime.wait(process.id)).code, "hi" in process.log_path.read_text())
    print(runtime.statistics(process.id)["memory_stats"].get("limit", 0) > 0)
    runtime.delete(process.id)
    overlay.remove(process.id)
    runtime.close()
"""
FRESH = "umount -l /sys && mount -t sysfs sysfs /sys"
BOUND_BACK = f"mount --rbind /sys/fs/cgroup /mnt && {FRESH} && mount --move /mnt /sys/fs/cgroup"


@pytest.mark.parametrize("before", ["true", FRESH, BOUND_BACK])
def test_a_daemon_in_a_mount_namespace_of_its_own(tmp_path, rootfs, before):
    program = tmp_path / "daemon.py"
    program.write_text(textwrap.dedent(PRIVATE))
    line = f"{before} && exec {sys.executable} {program} {tmp_path} {rootfs}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", line], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("5 True\nTrue\n", "", 0)
