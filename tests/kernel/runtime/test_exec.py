"""Further processes in a running container."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from linkspan.model.errors import Conflict
from linkspan.runtime.failures import RuntimeFailure
from linkspan.runtime.process import ExecProcess


def _read(descriptor: int) -> bytes:
    data = b""
    try:
        while chunk := os.read(descriptor, 65536):
            data += chunk
    except OSError:  # a terminal ends with EIO
        pass
    return data


def _namespace(pid: int, name: str) -> str:
    return str(Path(f"/proc/{pid}/ns/{name}").readlink())


def _effective(status: str) -> str:
    return next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))


def _open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def _run(lab, process, *args, **fields):
    handle = lab.runtime.exec(process.id, ExecProcess(id="e", args=args, **fields))
    try:
        outputs = [handle.terminal] if fields.get("terminal") else [handle.stdout, handle.stderr]
        texts = [await asyncio.to_thread(_read, d) for d in outputs if d is not None]
        return await asyncio.wait_for(handle.wait(), 10), *texts
    finally:
        handle.close()


@pytest.fixture
def running(lab):
    return lab.start("sleep", "1000", env=("A=container",))


@pytest.mark.parametrize(
    ("script", "code"), [("true", 0), ("exit 3", 3), ("kill -9 $$", 137), ("exit 255", 255)]
)
async def test_exit_codes(lab, running, script, code):
    assert (await _run(lab, running, "sh", "-c", script))[0] == code


async def test_streams_environment_user_and_directory(lab, running):
    script = "pwd; id -u; echo $A $B $HOME; echo oops >&2"
    fields = {"env": ("B=session",), "cwd": "/tmp", "user": "web"}
    code, out, err = await _run(lab, running, "sh", "-c", script, **fields)
    assert (code, out, err) == (0, b"/tmp\n33\ncontainer session /srv\n", b"oops\n")


async def test_it_is_in_the_container_s_namespaces_and_cgroup(lab, running):
    handle = lab.runtime.exec(running.id, ExecProcess(id="e", args=("sleep", "1000"), detach=True))
    init = lab.runtime.created(running.id).pid
    assert handle.pid in lab.runtime.pids(running.id)
    for name in ("net", "pid", "mnt", "ipc", "uts"):
        assert _namespace(handle.pid, name) == _namespace(init, name)
    assert handle.poll() is None
    os.kill(handle.pid, 15)
    assert await asyncio.wait_for(handle.wait(), 10) == 143
    assert handle.poll() == 143


async def test_stdin_and_its_end(lab, running):
    handle = lab.runtime.exec(running.id, ExecProcess(id="e", args=("wc", "-c"), stdin=True))
    os.write(handle.stdin, b"x" * 10_000)
    handle.close_stdin()
    assert await asyncio.to_thread(_read, handle.stdout) == b"10000\n"
    assert await handle.wait() == 0
    handle.close()


async def test_a_terminal(lab, running):
    size = {"terminal": True, "console_size": (25, 90)}
    code, out = await _run(lab, running, "sh", "-c", "stty size; tty; exit 4", **size)
    assert code == 4
    assert out.startswith(b"25 90\r\n")
    handle = lab.runtime.exec(running.id, ExecProcess(id="e", args=("sh",), terminal=True))
    handle.resize(50, 60)
    os.write(handle.terminal, b"stty size; exit\n")
    assert b"50 60\r\n" in await asyncio.to_thread(_read, handle.terminal)
    assert await handle.wait() == 0
    handle.close()


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ("nope", 127, 'exec: "nope": executable file not found in $PATH: unknown'),
        ("/bin/nope", 127, 'exec: "/bin/nope": stat /bin/nope: no such file or directory: unknown'),
        ("/etc/plain", 126, 'exec: "/etc/plain": permission denied: unknown'),
    ],
)
@pytest.mark.parametrize("terminal", [False, True])
async def test_a_command_that_cannot_run(lab, running, command, code, text, terminal):
    process = ExecProcess(id="e", args=(command,), terminal=terminal)
    with pytest.raises(RuntimeFailure) as caught:
        lab.runtime.exec(running.id, process)
    assert (
        str(caught.value)
        == f"OCI runtime exec failed: exec failed: unable to start container process: {text}"
    )
    assert caught.value.code == code
    assert [path.name for path in (lab.root / "exec/containers" / running.id).glob("exec-*")] == []


async def test_a_directory_that_is_not_there(lab, running):
    with pytest.raises(RuntimeFailure, match="chdir to cwd") as caught:
        lab.runtime.exec(running.id, ExecProcess(id="e", args=("true",), cwd="/nowhere"))
    assert caught.value.code == 127


async def test_privileged_gives_all_capabilities(lab, running):
    ours = _effective(Path("/proc/self/status").read_text())
    plain = await _run(lab, running, "cat", "/proc/self/status")
    assert _effective(plain[1].decode()) == "00000000a80425fb"
    privileged = await _run(lab, running, "cat", "/proc/self/status", privileged=True)
    assert _effective(privileged[1].decode()) == ours
    other = await _run(lab, running, "cat", "/proc/self/status", user="web")
    assert _effective(other[1].decode()) == "0000000000000000"


async def test_no_descriptor_is_left_open(lab, running):
    before = _open_descriptors()
    for _ in range(3):
        await _run(lab, running, "true")
        await _run(lab, running, "true", terminal=True)
        with pytest.raises(RuntimeFailure):
            lab.runtime.exec(running.id, ExecProcess(id="e", args=("nope",), terminal=True))
    assert _open_descriptors() == before


async def test_a_container_that_has_ended_refuses(lab):
    process = lab.start("true")
    await lab.runtime.wait(process.id)
    with pytest.raises(Conflict):
        lab.runtime.exec(process.id, ExecProcess(id="e", args=("true",)))


async def test_many_at_once(lab, running):
    def one(number: int) -> bytes:
        handle = lab.runtime.exec(running.id, ExecProcess(id=f"e{number}", args=("echo", str(number))))
        text = _read(handle.stdout)
        handle.close()
        codes.append(handle)
        return text

    codes = []
    texts = await asyncio.gather(*(asyncio.to_thread(one, n) for n in range(12)))
    assert [await handle.wait() for handle in codes] == [0] * 12
    assert sorted(int(text) for text in texts) == list(range(12))
