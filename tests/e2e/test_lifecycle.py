"""The life of a container as the docker command tells it: output, exit codes, signals, exec, events."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest

from linkspan.api import versions

STOPPABLE = "trap 'echo stopping; exit 7' TERM; echo started; while :; do sleep 0.1; done"


def stoppable(stage, name: str, *flags: str) -> None:
    """A container that ends with exit code 7 on SIGTERM."""
    stage.docker("run", "-d", "--name", name, *flags, "busybox", "sh", "-c", STOPPABLE)
    stage.until(lambda: "started" in stage.docker("logs", name).out)


def test_attached_run_shows_output_and_exit_code(stage):
    result = stage.docker("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 3", check=False)
    assert (result.out, result.err, result.code) == ("out\n", "err\n", 3)


def test_attached_run_passes_stdin(stage):
    assert (
        stage.docker("run", "--rm", "-i", "busybox", "cat", input="through and back\n").out
        == "through and back\n"
    )


def test_half_closed_stdin_still_gets_the_output(stage):
    counted = stage.docker(
        "run", "--rm", "-i", "busybox", "sh", "-c", "wc -c; echo done", input="x" * 100_000
    )
    assert counted.out.split() == ["100000", "done"]


def test_no_output_is_lost(stage):
    result = stage.docker("run", "--rm", "busybox", "sh", "-c", "seq 1 200000")
    assert result.out == "".join(f"{number}\n" for number in range(1, 200001))


def test_output_without_newline(stage):
    assert stage.docker("run", "--rm", "busybox", "printf", "no newline").out == "no newline"


def test_short_containers_never_lose_their_line(stage):
    for number in range(10):
        assert stage.docker("run", "--rm", "busybox", "echo", str(number)).text == str(number)


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ("nonexistent", 127, 'exec: "nonexistent": executable file not found in $PATH'),
        ("/etc/passwd", 126, "permission denied"),
        ("/bin", 126, ""),
    ],
)
def test_a_command_that_cannot_run(stage, command, code, text):
    before = stage.snapshot()
    result = stage.fails("run", "--rm", "busybox", command)
    assert result.code == code
    assert text in result.err
    stage.unchanged_since(before)


def test_ps_shows_dockers_columns(stage):
    id = stage.sleeper("c1")
    titles, row = stage.docker("ps").lines
    assert re.split(r" {2,}", titles.strip()) == [
        *("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
    ]
    assert row.startswith(id[:12])
    assert '"sleep 1000"' in row
    assert re.search(r"Up (Less than a|\d+) second", row)


def test_ps_all_shows_how_it_ended(stage):
    stage.docker("run", "--name", "c1", "busybox", "sh", "-c", "exit 4", check=False)
    assert stage.docker("ps", "-q").text == ""
    assert re.match(r"Exited \(4\) ", stage.docker("ps", "-a", "--format", "{{.Status}}").text)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("name=c1", {"c1"}),
        ("status=exited", {"c3"}),
        ("label=a", {"c2"}),
        ("ancestor=busybox", {"c1", "c2", "c3"}),
        ("exited=4", {"c3"}),
        ("network=bridge", {"c1", "c2", "c3"}),
        ("publish=8080", {"c2"}),
    ],
)
def test_ps_filters(stage, wanted, names):
    stage.sleeper("c1")
    stage.sleeper("c2", "--label", "a=b", "-p", "8080:80")
    stage.docker("run", "--name", "c3", "busybox", "sh", "-c", "exit 4", check=False)
    assert set(stage.docker("ps", "-a", "--filter", wanted, "--format", "{{.Names}}").lines) == names


def test_inspect_tells_state_and_settings(stage):
    id = stage.sleeper("c1", "-e", "A=b", "--label", "x=y", "--hostname", "boxy", "-p", "8080:80")
    shown = stage.inspect("c1")
    assert (shown["Id"], shown["Name"], shown["Path"], shown["Args"]) == (id, "/c1", "sleep", ["1000"])
    assert shown["State"]["Status"] == "running"
    assert shown["State"]["Pid"] > 0
    assert "A=b" in shown["Config"]["Env"]
    assert shown["Config"]["Labels"] == {"x": "y"}
    assert shown["Config"]["Hostname"] == "boxy"
    assert shown["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}
    assert shown["NetworkSettings"]["Ports"]["80/tcp"][0] == {"HostIp": "0.0.0.0", "HostPort": "8080"}
    assert shown["NetworkSettings"]["Gateway"] == "172.17.0.1"


def test_hostname_and_hosts_file(stage):
    id = stage.sleeper("c1")
    assert stage.inside("c1", "hostname").text == id[:12]
    hosts = stage.inside("c1", "cat", "/etc/hosts").out
    assert re.search(rf"^{re.escape(stage.address('c1'))}\s+{id[:12]}$", hosts, re.MULTILINE)
    assert "127.0.0.1\tlocalhost" in hosts


def test_default_bridge_has_the_hosts_resolver(stage):
    stage.sleeper("c1")
    assert "nameserver 198.51.100.53" in stage.inside("c1", "cat", "/etc/resolv.conf").out


def test_logs(stage):
    stage.docker("run", "--name", "c1", "busybox", "sh", "-c", "echo one; echo two >&2; echo three")
    result = stage.docker("logs", "c1")
    assert (result.out, result.err) == ("one\nthree\n", "two\n")
    assert len(stage.docker("logs", "--tail", "1", "c1").both.splitlines()) == 1
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z one\n", stage.docker("logs", "-t", "c1").out)


def test_logs_follow_until_the_end(stage):
    stage.docker(
        "run", "-d", "--name", "c1", "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done"
    )
    assert stage.docker("logs", "-f", "c1", timeout=10).out == "1\n2\n3\n"


def test_stop_sends_sigterm_and_waits(stage):
    stoppable(stage, "c1")
    assert stage.docker("stop", "c1").text == "c1"
    state = stage.inspect("c1")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 7)
    assert stage.docker("logs", "c1").out.endswith("stopping\n")


def test_stop_kills_after_the_timeout(stage):
    stage.sleeper("c1")
    began = time.monotonic()
    stage.docker("stop", "-t", "1", "c1")
    assert 0.9 < time.monotonic() - began < 4
    assert stage.inspect("c1")["State"]["ExitCode"] == 137


def test_start_again(stage):
    stoppable(stage, "c1", "-p", "8080:80")
    stage.docker("stop", "c1")
    assert stage.docker("start", "c1").text == "c1"
    stage.until(lambda: stage.docker("logs", "c1").out.count("started") == 2)
    assert ":8080 " in stage.host("ss", "-nlt").out


def test_start_attached(stage):
    stage.docker("create", "--name", "c1", "busybox", "sh", "-c", "echo hello; exit 5")
    result = stage.docker("start", "-a", "c1", check=False)
    assert (result.out, result.code) == ("hello\n", 5)


def test_restart(stage):
    stoppable(stage, "c1")
    first = stage.inspect("c1")["State"]["StartedAt"]
    stage.docker("restart", "c1")
    state = stage.inspect("c1")["State"]
    assert state["Running"]
    assert state["StartedAt"] > first


def test_kill_with_a_signal(stage):
    stoppable(stage, "c1")
    assert stage.docker("kill", "-s", "TERM", "c1").text == "c1"
    assert stage.docker("wait", "c1").text == "7"
    assert "is not running" in stage.fails("kill", "c1").err


def test_wait_returns_when_it_ends(stage):
    stage.docker("run", "-d", "--name", "c1", "busybox", "sh", "-c", "sleep 0.3; exit 9")
    assert stage.docker("wait", "c1").text == "9"


def test_rename(stage):
    id = stage.sleeper("c1")
    stage.docker("rename", "c1", "c9")
    assert stage.inspect("c9")["Id"] == id
    assert "No such container: c1" in stage.fails("inspect", "--type", "container", "c1").err


def test_pause_and_unpause(stage):
    stage.sleeper("c1")
    stage.docker("pause", "c1")
    assert "(Paused)" in stage.docker("ps", "--format", "{{.Status}}").text
    stage.docker("unpause", "c1")
    assert stage.inspect("c1")["State"]["Status"] == "running"


def test_exec_output_code_and_stdin(stage):
    stage.sleeper("c1")
    result = stage.docker("exec", "c1", "sh", "-c", "echo out; echo err >&2; exit 6", check=False)
    assert (result.out, result.err, result.code) == ("out\n", "err\n", 6)
    assert stage.docker("exec", "-i", "c1", "cat", input="echoed").out == "echoed"
    assert (
        stage.docker("exec", "-e", "A=b", "-w", "/tmp", "c1", "sh", "-c", "echo $A; pwd").out == "b\n/tmp\n"
    )


def test_exec_of_a_missing_command(stage):
    stage.sleeper("c1")
    result = stage.docker("exec", "c1", "nonexistent", check=False)
    assert result.code in (126, 127)
    assert "executable file not found in $PATH" in result.both


def test_exec_in_a_stopped_container(stage):
    id = stage.docker("create", "--name", "c1", "busybox", "true").text
    assert f"container {id} is not running" in stage.fails("exec", "c1", "true").err


def test_top(stage):
    stage.sleeper("c1")
    lines = stage.docker("top", "c1").lines
    assert "PID" in lines[0]
    assert lines[1].endswith("sleep 1000")
    assert len(lines) == 2


def test_events_tell_the_story(stage):
    began = str(time.time())
    stage.docker("run", "--name", "c1", "-p", "8080:80", "busybox", "true")
    stage.docker("rm", "c1")
    time.sleep(0.1)
    shown = stage.docker(
        "events", "--since", began, "--until", str(time.time()), "--format", "{{json .}}"
    ).lines
    seen = [(event["Type"], event["Action"]) for event in map(json.loads, shown)]
    for one in [
        ("container", "create"),
        ("network", "connect"),
        ("container", "start"),
        ("container", "die"),
        ("network", "disconnect"),
        ("container", "destroy"),
    ]:
        assert one in seen
    assert (
        seen.index(("container", "create"))
        < seen.index(("container", "start"))
        < seen.index(("container", "die"))
    )


def test_events_are_streamed(stage):
    process = subprocess.Popen(
        ["docker", "events", "--filter", "type=container", "--format", "{{.Action}}"],
        env={**os.environ, **stage.lab.client_env},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(0.3)
        stage.sleeper("c1")
        assert [process.stdout.readline().strip() for _ in range(2)] == ["create", "start"]
    finally:
        process.terminate()
        process.communicate()


def test_version_and_info(stage):
    version = json.loads(stage.docker("version", "--format", "{{json .}}").out)
    assert version["Server"]["ApiVersion"] == versions.text(versions.MAXIMUM)
    assert version["Server"]["MinAPIVersion"] == "1.24"
    assert version["Server"]["Os"] == "linux"
    info = json.loads(stage.docker("info", "--format", "{{json .}}").out)
    assert info["OSType"] == "linux"
    assert set(info["Plugins"]["Network"]) >= {"bridge", "host", "null"}
    assert info["Driver"] == "overlay2"


def test_detached_run_prints_the_id(stage):
    assert re.fullmatch("[0-9a-f]{64}", stage.sleeper("c1"))


def test_rm_of_a_running_container_is_refused(stage):
    stage.sleeper("c1")
    result = stage.fails("rm", "c1")
    assert "container is running: stop the container before removing or force remove" in result.err


def test_auto_remove(stage):
    before = stage.snapshot()
    stage.docker("run", "--rm", "-p", "8080:80", "busybox", "true")
    stage.unchanged_since(before)
    assert stage.docker("ps", "-aq").text == ""


def test_signals_of_an_attached_run_reach_the_container(stage):
    process = subprocess.Popen(
        ["docker", "run", "--name", "c1", "busybox", "sh", "-c", STOPPABLE],
        env={**os.environ, **stage.lab.client_env},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert out == "stopping\n"
    assert process.returncode == 7


def test_a_terminal(stage):
    script = "docker run --rm -t busybox tty"
    done = subprocess.run(
        ["script", "-qec", script, "/dev/null"],
        env={**os.environ, **stage.lab.client_env},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert "/dev/" in done.stdout


def test_volumes_and_binds(stage):
    stage.docker("run", "--rm", "-v", "data:/data", "busybox", "sh", "-c", "echo kept > /data/file")
    assert stage.docker("run", "--rm", "-v", "data:/data", "busybox", "cat", "/data/file").text == "kept"
    stage.docker("volume", "rm", "data")
    shared = stage.lab.directory / "shared"
    shared.mkdir(exist_ok=True)
    (shared / "file").write_text("from the host\n")
    read = stage.docker("run", "--rm", "-v", f"{shared}:/mnt:ro", "busybox", "cat", "/mnt/file")
    assert read.text == "from the host"


def test_cp(stage):
    stage.sleeper("c1")
    source = stage.lab.directory / "copied"
    source.write_text("copied\n")
    stage.docker("cp", str(source), "c1:/tmp/there")
    assert stage.inside("c1", "cat", "/tmp/there").text == "copied"
    stage.docker("cp", "c1:/tmp/there", str(stage.lab.directory / "back"))
    assert (stage.lab.directory / "back").read_text() == "copied\n"


def test_containers_outlive_the_daemon(own_stage):
    own_stage.web("c1", "-p", "8080:80")
    pid = own_stage.inspect("c1")["State"]["Pid"]
    own_stage.lab.kill_daemon()
    assert own_stage.get("lan", "http://10.0.0.5:8080/")
    own_stage.lab.daemon()
    assert own_stage.inspect("c1")["State"]["Pid"] == pid
    assert own_stage.get("lan", "http://10.0.0.5:8080/")
    assert own_stage.get("host", "http://127.0.0.1:8080/")
    own_stage.docker("rm", "-f", "c1")
    assert ":8080 " not in own_stage.host("ss", "-nlt").out
