"""Terminals, attach, detach keys, exec and logs, as somebody at a keyboard knows them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from linkspan.lab.lab import docker_command
from linkspan.lab.terminal import Terminal

DETACH = b"\x10\x11"


@pytest.fixture
def terminal(stage):
    """A function that runs the docker command on a terminal."""
    opened: list[Terminal] = []

    def start(*arguments: str, rows: int = 24, columns: int = 80) -> Terminal:
        opened.append(Terminal([docker_command(), *arguments], stage.lab.client_env, rows, columns))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_a_shell_on_a_terminal_knows_its_size(terminal):
    shell = terminal("run", "--rm", "-it", "busybox", "sh", rows=30, columns=90)
    shell.see("# ", "tty; stty size; echo $TERM.\n")
    shell.see("/dev/pts/0")
    shell.see("30 90")
    shell.see("xterm.")
    shell.resize(41, 123)
    shell.see("# ", "while [ \"$(stty size)\" != '41 123' ]; do sleep .05; done; echo resi''zed; exit 5\n")
    shell.see("resized")
    assert shell.end() == 5


def test_detaching_leaves_it_running_and_attaching_goes_on(terminal, stage):
    shell = terminal("run", "-it", "--name", "shell", "busybox", "sh")
    shell.see("# ", "echo o''ne\n")
    shell.see("one", DETACH)
    assert shell.end() == 0
    assert stage.inspect("shell")["State"]["Running"]
    again = terminal("attach", "--detach-keys", "ctrl-x,q", "shell")
    again.type(DETACH + b"\n")
    again.see("# ", "echo t''wo\n")
    again.see("two", b"\x18q")
    again.see("read escape sequence")
    assert again.end() == 1
    last = terminal("attach", "shell")
    last.type("exit 4\n")
    assert last.end() == 4


def test_create_then_start_interactively(terminal, stage):
    stage.docker("create", "-it", "--name", "later", "busybox", "sh")
    shell = terminal("start", "-ai", "later")
    shell.see("# ", "exit 6\n")
    assert shell.end() == 6


def test_exec_on_a_terminal(terminal, stage):
    stage.sleeper("box")
    shell = terminal("exec", "-it", "--detach-keys", "ctrl-a", "box", "sh", rows=33, columns=99)
    shell.see("# ", "stty size\n")
    shell.see("33 99", b"\x01")
    shell.see("read escape sequence")
    shell.end()
    assert "sh" in stage.docker("top", "box", "-eo", "pid,comm").out
    shell = terminal("exec", "-it", "box", "sh")
    shell.see("# ", "exit 3\n")
    assert shell.end() == 3


def test_exec_as_another_user_elsewhere(stage):
    stage.sleeper("box")
    given = ("-u", "1000", "-w", "/etc", "-e", "A=b")
    shown = stage.docker("exec", *given, "box", "sh", "-c", "id -u; pwd; echo $A").lines
    assert shown == ["1000", "/etc", "b"]
    for arguments, code, sentence in (
        (("box", "nosuch"), 127, 'exec: "nosuch": executable file not found in $PATH'),
        (("box", "/etc/passwd"), 126, "permission denied"),
        (("-w", "/nodir", "box", "pwd"), 127, 'chdir to cwd ("/nodir") set in config.json failed'),
        (("-u", "nosuch", "box", "id"), 126, "unable to find user nosuch"),
        (("box", "sh", "-c", "kill -9 $$"), 137, ""),
    ):
        result = stage.fails("exec", *arguments)
        assert (result.code, sentence in result.both) == (code, True)
    assert stage.docker("exec", "box", "ps", "-o", "stat").out.count("Z") == 0
    stage.docker("exec", "-d", "box", "touch", "/made")
    stage.until(lambda: stage.docker("exec", "box", "ls", "/made", check=False).code == 0)


def test_large_streams_pass_whole_in_both_directions(stage):
    data = "".join(f"{number:09d}\n" for number in range(150_000))
    wanted = hashlib.md5(data.encode()).hexdigest()
    back = stage.docker("run", "--rm", "-i", "busybox", "cat", input=data)
    assert hashlib.md5(back.out.encode()).hexdigest() == wanted
    stage.sleeper("box")
    assert stage.docker("exec", "-i", "box", "md5sum", input=data).text.split()[0] == wanted
    assert stage.docker("run", "--rm", "-i", "busybox", "head", "-c", "10", input=data).out == "000000000\n"


def test_many_short_containers_at_once_lose_nothing(stage):
    def one(number: int) -> tuple[int, str, str]:
        script = f"seq {number} {number + 300}; echo err{number} >&2; exit {number}"
        result = stage.docker("run", "--rm", "busybox", "sh", "-c", script, check=False)
        return result.code, result.out, result.err

    with ThreadPoolExecutor(6) as pool:
        for number, found in enumerate(pool.map(one, range(12))):
            output = "".join(f"{line}\n" for line in range(number, number + 301))
            assert found == (number, output, f"err{number}\n")


def test_attach_follows_to_the_end_and_gives_the_exit_code(stage):
    script = "while [ ! -e /go ]; do sleep .05; done; echo out; echo err >&2; exit 7"
    stage.docker("run", "-d", "--name", "slow", "busybox", "sh", "-c", script)
    command = [docker_command(), "attach", "--no-stdin", "slow"]
    with subprocess.Popen(
        command, env={**stage.lab.client_env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as attached:
        stage.until(
            lambda: (
                "attach"
                in stage.docker(
                    *("events", "--since", "1m", "--until", "0s", "--format", "{{.Action}}"),
                    *("-f", "container=slow"),
                ).lines
            )
        )
        stage.docker("exec", "slow", "touch", "/go")
        out, err = attached.communicate(timeout=10)
    assert (out, err, attached.returncode) == ("out\n", "err\n", 7)
    assert "You cannot attach to a stopped container" in stage.fails("attach", "slow").err


def test_log_options(stage):
    stage.docker(
        *("run", "--name", "told", "--label", "team=blue", "-e", "STAGE=two"),
        *("--log-opt", "labels=team", "--log-opt", "env=STAGE", "--log-opt", "max-size=10m"),
        *("busybox", "sh", "-c", "echo one; sleep .3; echo two; sleep .3; echo three"),
    )
    logs = stage.docker
    assert logs("logs", "--details", "told").lines[0] == "STAGE=two,team=blue one"
    stamped = [line.split(" ")[0] for line in logs("logs", "-t", "told").lines]
    assert logs("logs", "--since", stamped[1], "told").lines == ["two", "three"]
    assert logs("logs", "--until", stamped[1], "told").lines == ["one", "two"]
    assert logs("logs", "-f", "--tail", "1", "told").lines == ["three"]
    assert logs("logs", "-n", "0", "told").out == ""
    stage.docker("run", "--name", "untold", "--log-driver", "none", "busybox", "echo", "seen")
    refused = stage.fails("logs", "untold")
    assert "configured logging driver does not support reading" in refused.err


def test_statistics(stage):
    stage.sleeper("box", "-m", "64m")
    (row,) = stage.docker("stats", "--no-stream", "--format", "{{json .}}", "box").lines
    found = json.loads(row)
    assert (found["Name"], found["PIDs"]) == ("box", "1")
    assert found["MemUsage"].endswith("/ 64MiB")
    assert "No such container: nope" in stage.fails("stats", "--no-stream", "nope").err
