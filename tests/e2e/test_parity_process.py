"""What a process is given: environment, user, rights, limits, devices, namespaces; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RUN = ("run", "--rm")


def shell(stage, *arguments: str, script: str, check: bool = True):
    """Run a script in a fresh busybox."""
    return stage.docker(*RUN, *arguments, "busybox", "sh", "-c", script, check=check)


def status(stage, field: str, *arguments: str) -> str:
    """A line of /proc/self/status in a fresh container."""
    return shell(stage, *arguments, script=f"grep ^{field}: /proc/self/status").text.split("\t")[1]


def test_environment_comes_from_flags_files_and_the_client(stage, tmp_path, monkeypatch):
    monkeypatch.setenv("FROM_CLIENT", "client")
    file = tmp_path / "env"
    file.write_text("A=1\n# comment\nB=two words\nFROM_CLIENT\nNOT_SET\n")
    flags = ("-e", "C=3", "-e", "EMPTY=", "-e", "NOT_SET", "--env-file", str(file), "-h", "named")
    found = dict(line.split("=", 1) for line in shell(stage, *flags, script="env").lines)
    assert (found["A"], found["B"], found["C"], found["EMPTY"]) == ("1", "two words", "3", "")
    assert (found["FROM_CLIENT"], found["HOSTNAME"], found["HOME"]) == ("client", "named", "/root")
    assert "NOT_SET" not in found


def test_entrypoint_and_working_directory(stage):
    assert stage.docker(*RUN, "--entrypoint", "echo", "busybox", "a", "b").text == "a b"
    assert stage.docker(*RUN, "--entrypoint", "", "busybox", "echo", "c").text == "c"
    assert "no command specified" in stage.fails(*RUN, "--entrypoint", "", "busybox").err
    assert shell(stage, "-w", "/made/for/it", "-u", "1000", script="pwd; stat -c %u .").lines == [
        "/made/for/it",
        "0",
    ]


@pytest.mark.parametrize(
    ("flags", "identity"),
    [
        (("-u", "1000:2000"), "uid=1000 gid=2000 groups=2000"),
        (("-u", "nobody"), "uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)"),
        (("-u", "1000", "--group-add", "44"), "uid=1000 gid=0(root) groups=0(root),44"),
    ],
)
def test_users(stage, flags, identity):
    assert stage.docker(*RUN, *flags, "busybox", "id").text == identity


def test_users_that_are_not_there(stage):
    for user, sentence in (
        ("nosuch", "unable to find user nosuch: no matching entries in passwd file"),
        ("0:nosuch", "unable to find group nosuch: no matching entries in group file"),
    ):
        refused = stage.fails(*RUN, "-u", user, "busybox", "true")
        assert sentence in refused.err
        assert refused.code in (125, 126)


@pytest.mark.parametrize(
    ("flags", "mask"),
    [
        ((), "00000000a80425fb"),
        (("--cap-drop", "ALL"), "0000000000000000"),
        (("--cap-drop", "all", "--cap-add", "net_bind_service"), "0000000000000400"),
        (("--cap-add", "CAP_SYS_ADMIN", "--cap-drop", "CHOWN"), "00000000a82425fa"),
    ],
)
def test_capabilities(stage, flags, mask):
    assert status(stage, "CapEff", *flags) == mask


def test_seccomp_profiles(stage, tmp_path):
    profile = tmp_path / "profile.json"
    forbidden = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [forbidden]}))
    assert status(stage, "Seccomp") == "2"
    assert status(stage, "Seccomp", "--security-opt", "seccomp=unconfined") == "0"
    tried = shell(stage, "--security-opt", f"seccomp={profile}", script="mkdir /x", check=False)
    assert "Operation not permitted" in tried.err
    assert status(stage, "NoNewPrivs", "--security-opt", "no-new-privileges") == "1"


def test_privileged_and_read_only(stage):
    found = shell(
        stage, "--privileged", script="grep -c . /proc/self/status; ls /dev | wc -l; test -w /proc/sys"
    )
    assert int(found.lines[1]) > 20
    assert status(stage, "Seccomp", "--privileged") == "0"
    script = "touch /x; touch /run/x && touch /dev/shm/x && echo written"
    tried = shell(stage, "--read-only", "--tmpfs", "/run", script=script)
    assert tried.text == "written"
    assert "Read-only file system" in tried.err


def test_init_reaps_and_passes_the_exit_code_on(stage):
    shown = shell(stage, "--init", script="ps -o pid,args; exit 7", check=False)
    assert "1 /sbin/docker-init -- sh -c" in shown.out
    assert shown.code == 7


def test_devices(stage):
    assert "1,   3" in shell(stage, "--device", "/dev/null:/dev/mine:r", script="ls -l /dev/mine").out
    missing = stage.fails(*RUN, "--device", "/dev/nope", "busybox", "true")
    assert 'error gathering device information while adding custom device "/dev/nope"' in missing.err


def test_namespaces_of_the_host_and_of_others(stage):
    assert shell(stage, "--uts", "host", script="hostname").text == stage.host("hostname").text
    assert shell(stage, "--pid", "host", script="ps | grep -c linkspand").text != "0"
    stage.docker("run", "-d", "--name", "owner", "--ipc", "shareable", "busybox", "sleep", "100")
    stage.inside("owner", "touch", "/dev/shm/here")
    found = shell(
        stage, "--ipc", "container:owner", "--pid", "container:owner", script="ls /dev/shm; ps -o args"
    )
    assert found.lines[0] == "here"
    assert "sleep 100" in found.out


def test_sysctls(stage):
    flags = ("--sysctl", "net.core.somaxconn=99", "--sysctl", "kernel.msgmax=9999")
    script = "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax"
    assert shell(stage, *flags, script=script).lines == ["99", "9999"]


def test_ulimits_shared_memory_and_oom_score(stage):
    flags = ("--ulimit", "nofile=100:200", "--shm-size", "1m", "--oom-score-adj", "500")
    script = "ulimit -n; ulimit -Hn; df /dev/shm | tail -1; cat /proc/self/oom_score_adj"
    soft, hard, shm, score = shell(stage, *flags, script=script).lines
    assert (soft, hard, shm.split()[1], score) == ("100", "200", "1024", "500")


def limit(stage, container: str, version1: str, version2: str) -> list[str]:
    """The words of a limit's file in a running container's cgroup."""
    root = Path("/sys/fs/cgroup")
    file = version2 if (root / "cgroup.controllers").exists() else version1
    return stage.inside(container, "cat", *(str(root / name) for name in file.split())).out.split()


def test_limits_are_set_and_updated(stage):
    flags = ("-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "--cpuset-cpus", "0")
    stage.sleeper("limited", *flags)
    host = stage.inspect("limited")["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (64 << 20, 128 << 20, 500_000_000)
    assert limit(stage, "limited", "memory/memory.limit_in_bytes", "memory.max") == [str(64 << 20)]
    quota = limit(stage, "limited", "cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us", "cpu.max")
    assert quota == ["50000", "100000"]
    assert limit(stage, "limited", "pids/pids.max", "pids.max") == ["50"]
    assert limit(stage, "limited", "cpuset/cpuset.cpus", "cpuset.cpus") == ["0"]
    stage.docker("update", "-m", "32m", "--memory-swap", "-1", "--cpus", "0.2", "limited")
    stage.docker("update", "--pids-limit", "99", "--restart", "on-failure:3", "limited")
    assert limit(stage, "limited", "memory/memory.limit_in_bytes", "memory.max") == [str(32 << 20)]
    assert limit(stage, "limited", "pids/pids.max", "pids.max") == ["99"]
    host = stage.inspect("limited")["HostConfig"]
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    for update, sentence in (
        (("-m", "3m"), "Minimum memory limit allowed is 6MB"),
        (("--cpu-period", "50000"), "CPU Period cannot be updated as NanoCPUs has already been set"),
        (("--cpuset-cpus", "99"), "Requested CPUs are not available - requested 99, available: "),
    ):
        assert sentence in stage.fails("update", *update, "limited").err


def test_too_much_memory_is_told(stage):
    stage.docker(
        *("run", "-d", "--name", "greedy", "-m", "16m", "--memory-swap", "16m"),
        "busybox",
        "tail",
        "/dev/zero",
    )
    assert stage.docker("wait", "greedy").text == "137"
    state = stage.inspect("greedy")["State"]
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)
    assert state["StartedAt"] < state["FinishedAt"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("-m", "5m"), "Minimum memory limit allowed is 6MB"),
        (("-m", "10m", "--memory-reservation", "20m"), "can not be less than memory reservation limit"),
        (("--cpus", "999"), "range of CPUs is from 0.01 to "),
        (("--cpu-quota", "10"), "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        (("--cpuset-cpus", "999"), "Requested CPUs are not available"),
        (("--cap-add", "NOPE"), 'unknown capability: "CAP_NOPE"'),
        (("--security-opt", "bogus=1"), 'invalid --security-opt 2: "bogus=1"'),
        (("--runtime", "nope"), "unknown or invalid runtime name: nope"),
        (("--gpus", "all"), 'could not select device driver "" with capabilities: [[gpu]]'),
        (("--storage-opt", "size=1G"), "--storage-opt is supported only for overlay over xfs"),
        (("--ipc", "bogus"), "invalid IPC mode: bogus"),
        (("--log-driver", "nope"), "logger: no log driver named 'nope' is registered"),
        (("--log-opt", "bogus=1"), "unknown log opt 'bogus' for json-file log driver"),
        (("--stop-signal", "BOGUS"), "invalid signal: BOGUS"),
        (("--restart", "sometimes"), "invalid restart policy: unknown policy 'sometimes'"),
    ],
)
def test_options_that_are_refused(stage, flags, sentence):
    refused = stage.fails("run", *flags, "busybox", "true")
    assert sentence in refused.err
    assert refused.code == 125


def test_an_image_for_another_platform_is_not_taken(stage):
    assert stage.docker(*RUN, "--platform", "linux", "busybox", "echo", "ran").text == "ran"
    refused = stage.fails(*RUN, "--platform", "linux/s390x", "--pull", "never", "busybox", "true")
    assert "its platform (linux/amd64) does not match the specified platform (linux/s390x)" in refused.err


def test_the_id_is_written_to_a_file_once(stage, tmp_path):
    file = tmp_path / "id"
    id = stage.docker("run", "-d", "--cidfile", str(file), "busybox", "true").text
    assert file.read_text() == id
    assert "container ID file found" in stage.fails("run", "--cidfile", str(file), "busybox", "true").err
