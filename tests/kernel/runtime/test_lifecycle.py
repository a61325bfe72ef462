"""Containers live and die as they should, and leave nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from linkspan.model.errors import Conflict, InvalidParameter, LinkspanError, NotFound
from linkspan.runtime.failures import RuntimeFailure
from linkspan.runtime.process import ExecProcess, Mount, Resources, Ulimit
from linkspan.runtime.runtime import Runtime


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
async def test_the_exit_code_is_the_program_s(lab, script, code):
    # A process in a pid namespace cannot kill its own init: for that one a child's fate is told on.
    command = f"sh -c '{script}'; exit $?" if code == 137 else script
    status, _, _ = await lab.run("sh", "-c", command)
    assert (status.code, status.oom) == (code, False)
    assert status.finished > 1_600_000_000_000_000_000


async def test_kill_gives_128_plus_signal(lab):
    process = lab.start("sleep", "100")
    lab.runtime.kill(process.id, signal.SIGKILL)
    assert (await lab.runtime.wait(process.id)).code == 137
    with pytest.raises(Conflict):
        lab.runtime.kill(process.id, signal.SIGKILL)


async def test_a_signal_reaches_the_program_s_handler(lab, eventually):
    process = lab.start(
        "sh", "-c", "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    )
    eventually(lambda: lab.output(process)[0] == b"ready\n")
    lab.runtime.kill(process.id, signal.SIGTERM)
    assert (await lab.runtime.wait(process.id)).code == 3
    assert lab.output(process)[0] == b"ready\ncaught\n"


async def test_exit_status_is_none_while_it_runs(lab):
    process = lab.start("sleep", "100")
    assert lab.runtime.exit_status(process.id) is None
    assert lab.runtime.created(process.id).pid > 0
    assert lab.runtime.known() == [process.id]
    with pytest.raises(Conflict):
        lab.runtime.delete(process.id)
    with pytest.raises(Conflict):
        lab.runtime.create(process)
    lab.runtime.delete(process.id, force=True)
    assert lab.runtime.known() == []
    lab.runtime.delete(process.id)


async def test_a_created_container_waits_for_start(lab):
    process = lab.process("echo", "hello")
    created = lab.runtime.create(process)
    assert Path(f"/proc/{created.pid}").exists()
    await asyncio.sleep(0.05)
    assert lab.output(process) == (b"", b"")
    lab.runtime.start(process.id)
    await lab.runtime.wait(process.id)
    assert lab.output(process) == (b"hello\n", b"")


async def test_the_same_id_can_run_again_after_delete(lab):
    process = lab.start("echo", "one")
    await lab.runtime.wait(process.id)
    lab.runtime.delete(process.id)
    lab.runtime.create(process)
    lab.runtime.start(process.id)
    await lab.runtime.wait(process.id)
    assert lab.output(process)[0] == b"one\none\n"


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ("nope", 127, 'exec: "nope": executable file not found in $PATH: unknown'),
        ("/bin/nope", 127, 'exec: "/bin/nope": stat /bin/nope: no such file or directory: unknown'),
        ("/etc/plain", 126, 'exec: "/etc/plain": permission denied: unknown'),
        ("/etc", 126, 'exec: "/etc": is a directory: unknown'),
    ],
)
async def test_a_command_that_cannot_run_says_so_as_docker_does(lab, command, code, text):
    process = lab.process(command)
    with pytest.raises(RuntimeFailure) as caught:
        lab.runtime.create(process)
    begin = "failed to create task for container: failed to create shim task: OCI runtime create failed: "
    begin += "runc create failed: unable to start container process: error during container init: "
    assert str(caught.value) == begin + text
    assert caught.value.code == code
    assert lab.traces(process.id) == []
    assert not process.log_path.exists()


async def test_a_failure_half_way_leaves_nothing(lab, tmp_path):
    gone = Mount("/mnt", str(tmp_path / "not-there"))
    for fields in ({"mounts": (gone,)}, {"netns": "/run/netns/not-there"}, {"ipc": "/proc/1/ns/nope"}):
        process = lab.process("true", **fields)
        with pytest.raises(RuntimeFailure) as caught:
            lab.runtime.create(process)
        assert caught.value.code in (125, 127)
        assert lab.traces(process.id) == []
        assert not process.log_path.exists()


async def test_unknown_users_and_capabilities_are_refused_before_anything_is_made(lab):
    with pytest.raises(RuntimeFailure, match="unable to find user nope: no matching entries in passwd file"):
        lab.runtime.create(lab.process("true", user="nope"))
    with pytest.raises(InvalidParameter):
        lab.runtime.create(lab.process("true", cap_add=("NOPE",)))
    assert lab.runtime.known() == []


async def test_what_is_not_there_is_not_found(lab):
    for attempt in (lab.runtime.start, lab.runtime.pause, lab.runtime.resume, lab.runtime.pids):
        with pytest.raises(NotFound):
            attempt("nothing")
    with pytest.raises(NotFound):
        await lab.runtime.wait("nothing")
    assert lab.runtime.exit_status("nothing") is None
    assert lab.runtime.created("nothing") is None


def test_missing_programs_are_named(tmp_path):
    (tmp_path / "bin").mkdir()
    with pytest.raises(LinkspanError, match="Debian package 'conmon'"):
        Runtime(tmp_path / "e", tmp_path / "d", search=str(tmp_path / "bin"))
    (tmp_path / "bin/conmon").symlink_to("/usr/bin/conmon")
    with pytest.raises(LinkspanError, match="Debian package 'crun'"):
        Runtime(tmp_path / "e", tmp_path / "d", search=str(tmp_path / "bin"))


@pytest.fixture
def runc(lab):
    """The lab with runc in place of crun."""
    programs = lab.root / "programs"
    programs.mkdir()
    for program in ("/usr/bin/conmon", "/usr/sbin/runc"):
        (programs / Path(program).name).symlink_to(program)
    lab.runtime.close()
    lab.runtime = Runtime(lab.root / "exec", lab.root / "data", search=str(programs))
    return lab


async def test_runc_runs_containers_too(runc, netns):
    fields = {"netns": netns, "resources": Resources(memory=32 << 20), "user": "web"}
    status, out, _ = await runc.run("sh", "-c", "id -u; exit 7", **fields)
    assert (status.code, out) == (7, b"33\n")
    process = runc.start("sleep", "100")
    runc.runtime.pause(process.id)
    runc.runtime.resume(process.id)
    runc.runtime.kill(process.id, signal.SIGKILL)
    assert (await runc.runtime.wait(process.id)).code == 137


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ("nope", 127, 'exec: "nope": executable file not found in $PATH: unknown'),
        ("/bin/nope", 127, 'exec: "/bin/nope": stat /bin/nope: no such file or directory: unknown'),
        ("/etc/plain", 126, 'exec: "/etc/plain": permission denied: unknown'),
    ],
)
async def test_runc_s_failures_read_the_same(runc, command, code, reason):
    process = runc.process(command)
    with pytest.raises(RuntimeFailure) as caught:
        runc.runtime.create(process)
    assert str(caught.value).endswith(f"error during container init: {reason}")
    assert caught.value.code == code
    assert runc.traces(process.id) == []
    running = runc.start("sleep", "100")
    with pytest.raises(RuntimeFailure) as caught:
        runc.runtime.exec(running.id, ExecProcess(id="e", args=(command,)))
    assert str(caught.value).endswith(f"unable to start container process: {reason}")
    handle = runc.runtime.exec(running.id, ExecProcess(id="e", args=("sh", "-c", "exit 3"), detach=True))
    assert await handle.wait() == 3


async def test_pause_stops_it_and_resume_lets_it_go_on(lab, eventually):
    process = lab.start("sh", "-c", "while :; do echo x; sleep 0.01; done")
    eventually(lambda: len(lab.output(process)[0]) > 4)
    lab.runtime.pause(process.id)
    await asyncio.sleep(0.05)
    before = lab.output(process)[0]
    await asyncio.sleep(0.1)
    assert lab.output(process)[0] == before
    lab.runtime.resume(process.id)
    eventually(lambda: lab.output(process)[0] != before)


async def test_a_paused_container_can_be_killed_by_force(lab):
    process = lab.start("sleep", "100")
    lab.runtime.pause(process.id)
    lab.runtime.delete(process.id, force=True)
    assert lab.traces(process.id) == []


async def test_an_output_file_that_cannot_be_made(lab):
    process = lab.process("true", log_path=lab.root / "no/such/place.log")
    with pytest.raises(RuntimeFailure, match="log file"):
        lab.runtime.create(process)
    assert lab.traces(process.id) == []


async def test_many_at_once(lab, eventually):
    processes = [lab.process("sh", "-c", f"echo {n}; exit {n}") for n in range(12)]

    def begin(process):
        lab.runtime.create(process)
        lab.runtime.start(process.id)

    await asyncio.gather(*(asyncio.to_thread(begin, process) for process in processes))
    statuses = await asyncio.gather(*(lab.runtime.wait(process.id) for process in processes))
    assert [status.code for status in statuses] == list(range(12))
    assert [lab.output(process)[0] for process in processes] == [f"{n}\n".encode() for n in range(12)]
    await asyncio.gather(*(asyncio.to_thread(lab.runtime.delete, process.id) for process in processes))


async def test_another_daemon_s_container_is_waited_for(lab):
    process = lab.start("sh", "-c", "sleep 1; echo late; exit 9")
    lab.runtime.close()
    lab.runtime = Runtime(lab.root / "exec", lab.root / "data")
    assert lab.runtime.created(process.id) is not None
    status = await asyncio.wait_for(lab.runtime.wait(process.id), 10)
    assert status.code == 9
    assert lab.output(process)[0] == b"late\n"
    assert (await lab.runtime.wait(process.id)).code == 9
    lab.runtime.delete(process.id)
    assert lab.traces(process.id) == []


async def test_a_killed_monitor_ends_the_container(lab, eventually):
    process = lab.start("sleep", "100")
    created = lab.runtime.created(process.id)
    os.kill(created.conmon_pid, signal.SIGKILL)
    status = await asyncio.wait_for(lab.runtime.wait(process.id), 10)
    assert status.code == 255
    eventually(lambda: not Path(f"/proc/{created.pid}/exe").exists())


async def test_limits_are_in_the_cgroup(lab):
    resources = Resources(memory=32 << 20, cpu_shares=512, nano_cpus=500_000_000, pids_limit=50)
    process = lab.start("sleep", "100", resources=resources)
    figures = lab.runtime.statistics(process.id)
    assert figures["memory_stats"]["limit"] == 32 << 20
    assert figures["pids_stats"] == {"current": 1, "limit": 50}
    assert figures["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert figures["cpu_stats"]["system_cpu_usage"] > figures["cpu_stats"]["cpu_usage"]["total_usage"]
    lab.runtime.update(process.id, Resources(memory=64 << 20, pids_limit=60))
    figures = lab.runtime.statistics(process.id)
    assert figures["memory_stats"]["limit"] == 64 << 20
    assert figures["pids_stats"]["limit"] == 60


async def test_the_oom_killer_is_told_of(lab):
    hungry = "x=$(dd if=/dev/zero bs=1M count=100 2>/dev/null | tr '\\0' x); echo never"
    status, out, _ = await lab.run("sh", "-c", hungry, resources=Resources(memory=16 << 20))
    assert status.oom
    assert status.code == 137
    assert out == b""


async def test_pids_and_top_show_the_container_s_processes(lab, eventually):
    process = lab.start("sh", "-c", "sleep 77 & sleep 78 & wait")
    eventually(lambda: len(lab.runtime.pids(process.id)) == 3)
    titles, rows = lab.runtime.top(process.id)
    assert titles == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert sorted(row[-1] for row in rows) == ["sh -c sleep 77 & sleep 78 & wait", "sleep 77", "sleep 78"]
    titles, rows = lab.runtime.top(process.id, "-o pid,args")
    assert titles == ["PID", "COMMAND"] and len(rows) == 3


async def test_a_missing_working_directory_is_made(lab):
    status, out, _ = await lab.run("sh", "-c", "pwd", cwd="/tmp/made/for/it")
    assert (status.code, out) == (0, b"/tmp/made/for/it\n")


async def test_ulimits_hostname_and_environment(lab):
    script = "ulimit -n; hostname; env"
    fields = {"ulimits": (Ulimit("nofile", 123, 456),), "env": ("A=1", "PATH=/bin"), "domainname": "example"}
    _, out, _ = await lab.run("sh", "-c", script, **fields)
    lines = out.decode().splitlines()
    assert lines[0] == "123"
    assert {"A=1", "PATH=/bin", "HOME=/root", f"HOSTNAME={lines[1]}"} <= set(lines)


@pytest.mark.parametrize(
    ("user", "groups", "expected"),
    [
        ("", (), "uid=0(root) gid=0(root) groups=0(root)"),
        ("web", (), "uid=33(web) gid=34(www) groups=34(www),99(log)"),
        ("web:0", (), "uid=33(web) gid=0(root) groups=0(root)"),
        ("1234", ("log",), "uid=1234 gid=0(root) groups=0(root),99(log)"),
    ],
)
async def test_the_user_is_the_container_s_own(lab, user, groups, expected):
    _, out, _ = await lab.run("id", user=user, groups=groups)
    assert out.decode().strip() == expected


async def test_two_containers_share_a_network_namespace_and_ipc(lab, netns):
    first = lab.start("sleep", "100", netns=netns, ipc="shareable")
    pid = lab.runtime.created(first.id).pid
    shared = {
        "netns": netns,
        "ipc": f"/proc/{pid}/ns/ipc",
        "pid": f"/proc/{pid}/ns/pid",
        "uts": f"/proc/{pid}/ns/uts",
        "shm_path": lab.runtime.shm_path(first.id),
    }
    names = ("net", "ipc", "pid", "uts")
    links = [str(Path(f"/proc/{pid}/ns/{name}").readlink()) for name in names]
    script = "for n in net ipc pid uts; do ls -l /proc/self/ns/$n; done; echo hi > /dev/shm/f"
    _, out, _ = await lab.run("sh", "-c", script, **shared)
    assert [line.split()[-1] for line in out.decode().splitlines()] == links
    session = Path(f"/proc/{pid}/root/dev/shm/f")
    assert session.read_text() == "hi\n"
