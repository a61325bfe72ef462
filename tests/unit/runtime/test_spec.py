"""The OCI configuration as a whole."""

from dataclasses import replace
from pathlib import Path

from linkspan.runtime import spec
from linkspan.runtime.devices import DeviceNode
from linkspan.runtime.identity import Identity
from linkspan.runtime.process import ContainerProcess, ExecProcess, Mount, Resources, Ulimit
from linkspan.runtime.spec import Host

PLAIN = ContainerProcess(
    id="c" * 64, rootfs=Path("/r"), log_path=Path("/l"), args=("sh", "-c", "true"), hostname="box"
)


def _namespaces(process, host=None):
    section = spec.container(process, host or Host())["linux"]["namespaces"]
    return {entry["type"]: entry.get("path") for entry in section}


def test_a_plain_docker_run():
    config = spec.container(PLAIN, Host())
    assert config["root"] == {"path": "/r", "readonly": False}
    assert config["hostname"] == "box"
    process = config["process"]
    assert process["args"] == ["sh", "-c", "true"] and process["cwd"] == "/"
    assert process["env"] == [f"PATH={spec.DEFAULT_PATH}", "HOSTNAME=box"]
    assert process["capabilities"]["effective"] == process["capabilities"]["bounding"] != []
    assert process["capabilities"]["ambient"] == []
    assert (process["noNewPrivileges"], process["oomScoreAdj"]) == (False, 0)
    assert config["linux"]["cgroupsPath"] == f"/linkspan/{'c' * 64}"
    assert config["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert config["linux"]["rootfsPropagation"] == "rprivate"


def test_namespaces():
    assert _namespaces(PLAIN) == dict.fromkeys(("mount", "pid", "ipc", "uts"))
    assert _namespaces(replace(PLAIN, netns="/n"))["network"] == "/n"
    assert "cgroup" in _namespaces(PLAIN, Host(cgroup_v2=True))
    assert "cgroup" not in _namespaces(replace(PLAIN, cgroupns="host"), Host(cgroup_v2=True))
    assert "cgroup" not in _namespaces(replace(PLAIN, cgroupns="private"), Host())
    host = replace(PLAIN, pid="host", ipc="host", uts="host")
    assert _namespaces(host) == {"mount": None}
    assert "hostname" not in spec.container(host, Host())
    other = replace(PLAIN, pid="/p", ipc="/i", uts="/u")
    assert _namespaces(other) == {"mount": None, "pid": "/p", "ipc": "/i", "uts": "/u"}
    assert _namespaces(replace(PLAIN, ipc="shareable"))["ipc"] is None
    assert _namespaces(replace(PLAIN, ipc="none"))["ipc"] is None


def test_sysctls():
    assert spec.container(PLAIN, Host())["linux"]["sysctl"] == {}
    given = replace(PLAIN, netns="/n", domainname="d", sysctls=(("net.ipv4.ping_group_range", "1 0"),))
    assert spec.container(given, Host())["linux"]["sysctl"] == {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ping_group_range": "1 0",
        "kernel.domainname": "d",
    }


def test_environment_as_docker_merges_it():
    given = replace(PLAIN, terminal=True, env=("PATH=/x", "A=1", "A=2", "TERM", "EMPTY="))
    assert spec.environment(given) == ["PATH=/x", "HOSTNAME=box", "A=2", "EMPTY="]
    assert spec.environment(replace(PLAIN, terminal=True, hostname=""))[-1] == "TERM=xterm"


def test_a_umask_is_that_of_sessions_too():
    config = spec.container(replace(PLAIN, umask=0o77), Host())
    assert config["process"]["user"]["umask"] == 0o77
    session = ExecProcess(id="e", args=("sh",))
    assert spec.execution(session, config, Host())["user"]["umask"] == 0o77


def test_users_other_than_root_hold_no_capabilities():
    config = spec.container(PLAIN, Host(identity=Identity(33, 34, (99,))))
    assert config["process"]["user"] == {"uid": 33, "gid": 34, "additionalGids": [34, 99]}
    again = spec.container(PLAIN, Host(identity=Identity(33, 34, (34, 99))))
    assert again["process"]["user"] == config["process"]["user"]
    sets = config["process"]["capabilities"]
    assert sets["effective"] == sets["permitted"] == [] and sets["bounding"]


def test_limits_devices_and_the_rest():
    node = DeviceNode("/dev/x", "c", 10, 200, 0o600, 0, 0, "rw")
    given = replace(
        PLAIN,
        resources=Resources(pids_limit=5),
        ulimits=(Ulimit("nofile", 1, -1),),
        device_rules=("c 9:9 r",),
        console_size=(24, 80),
        init=True,
        cgroup_parent="/else",
        annotations=(("k", "v"),),
        no_new_privileges=True,
        readonly=True,
    )
    config = spec.container(given, Host(devices=(node,), init="/usr/bin/tini"))
    assert config["process"]["args"][:3] == ["/sbin/docker-init", "--", "sh"]
    assert config["process"]["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2**64 - 1}]
    assert config["process"]["consoleSize"] == {"height": 24, "width": 80}
    assert config["linux"]["resources"]["pids"] == {"limit": 5}
    access = [rule["access"] for rule in config["linux"]["resources"]["devices"][-2:]]
    assert access == ["rw", "r"]
    assert config["linux"]["devices"][0]["path"] == "/dev/x" and config["linux"]["devices"][0]["major"] == 10
    assert config["linux"]["cgroupsPath"].startswith("/else/")
    assert config["annotations"] == {"k": "v"}
    assert config["root"]["readonly"] and config["process"]["noNewPrivileges"]


def test_privileged_has_no_filter_and_everything_the_daemon_has():
    config = spec.container(replace(PLAIN, privileged=True), Host(capabilities=("CAP_CHOWN",)))
    assert "seccomp" not in config["linux"]
    assert config["process"]["capabilities"]["bounding"] == ["CAP_CHOWN"]


def test_propagation_follows_the_binds():
    for option, expected in (("rshared", "shared"), ("rslave", "rslave"), ("rprivate", "rprivate")):
        given = replace(PLAIN, mounts=(Mount("/m", "/s", options=("rbind", option)),))
        assert spec.container(given, Host())["linux"]["rootfsPropagation"] == expected


def test_an_exec_session_inherits_from_the_container():
    config = spec.container(replace(PLAIN, env=("A=1",), cwd="/w", ulimits=(Ulimit("core", 0, 0),)), Host())
    document = spec.execution(ExecProcess(id="e", args=("id",), env=("B=2", "A")), config, Host())
    assert document["args"] == ["id"] and document["cwd"] == "/w"
    assert "B=2" in document["env"] and "A=1" not in document["env"]
    assert document["rlimits"] == config["process"]["rlimits"]
    assert document["capabilities"] == config["process"]["capabilities"]
    assert "consoleSize" not in document


def test_an_exec_session_of_its_own():
    config = spec.container(PLAIN, Host())
    host = Host(identity=Identity(33, 34), capabilities=("CAP_CHOWN",))
    given = ExecProcess(
        id="e", args=("sh",), user="web", cwd="/x", terminal=True, console_size=(1, 2), privileged=True
    )
    document = spec.execution(given, config, host)
    assert document["user"]["uid"] == 33 and document["cwd"] == "/x" and document["terminal"]
    assert "TERM=xterm" in document["env"]
    assert document["consoleSize"] == {"height": 1, "width": 2}
    assert document["capabilities"]["bounding"] == ["CAP_CHOWN"]
    assert document["capabilities"]["effective"] == []
    assert not spec.execution(replace(given, detach=True), config, host)["terminal"]
    plain = spec.execution(replace(given, privileged=False), config, host)
    assert plain["capabilities"]["effective"] == [] and len(plain["capabilities"]["bounding"]) == 14
