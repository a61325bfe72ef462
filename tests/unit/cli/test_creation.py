"""From run's flags to the body of POST /containers/create."""

from __future__ import annotations

import pytest

from linkspan.cli import creation
from linkspan.cli.flags import UsageError, parse
from linkspan.cli.running import RUN


def body(*words, attached=False):
    return creation.body(parse(RUN, words), attached=attached)


def test_the_simplest_run():
    made = body("-d", "busybox", "sleep", "1")
    assert (made["Image"], made["Cmd"], made["HostConfig"]["NetworkMode"]) == (
        "busybox",
        ["sleep", "1"],
        "default",
    )
    assert made["NetworkingConfig"] == {"EndpointsConfig": {}}


def test_ports_are_exposed_and_bound():
    made = body("-p", "8080:80", "--expose", "81", "image")
    assert made["ExposedPorts"] == {"80/tcp": {}, "81/tcp": {}}
    assert made["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}


def test_attached_input():
    made = body("-i", "image", attached=True)
    assert made["AttachStdin"] and made["OpenStdin"] and made["StdinOnce"] and made["AttachStdout"]


def test_one_network_with_address_and_alias():
    made = body("--network", "front", "--ip", "10.5.0.7", "--network-alias", "x", "image")
    assert made["HostConfig"]["NetworkMode"] == "front"
    assert made["NetworkingConfig"]["EndpointsConfig"] == {
        "front": {"IPAMConfig": {"IPv4Address": "10.5.0.7"}, "Aliases": ["x"]}
    }


def test_several_networks_in_the_long_form():
    made = body(
        "--network", "name=front,alias=a,alias=b,ip=10.5.0.7,gw-priority=1", "--network", "back", "image"
    )
    assert made["HostConfig"]["NetworkMode"] == "front"
    assert made["NetworkingConfig"]["EndpointsConfig"] == {
        "front": {"Aliases": ["a", "b"], "IPAMConfig": {"IPv4Address": "10.5.0.7"}, "GwPriority": 1},
        "back": {},
    }


@pytest.mark.parametrize("text", ["alias=a", "name=front,nonsense=1"])
def test_wrong_network_fields(text):
    with pytest.raises(UsageError):
        body("--network", text, "image")


def test_restart_limits_volumes_and_the_rest():
    made = body(
        *("--restart", "on-failure:3", "-m", "64m", "--cpus", "1.5", "-v", "data:/data", "-v", "/scratch"),
        *("--sysctl", "net.core.somaxconn=9", "--entrypoint", "sh", "--rm", "--init", "image"),
    )
    host = made["HostConfig"]
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert (host["Memory"], host["NanoCpus"]) == (64 << 20, 1_500_000_000)
    assert (host["Binds"], made["Volumes"]) == (["data:/data"], {"/scratch": {}})
    assert (host["Sysctls"], made["Entrypoint"]) == ({"net.core.somaxconn": "9"}, ["sh"])
    assert host["AutoRemove"] and host["Init"]


def test_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("OURS", "1")
    monkeypatch.delenv("MISSING", raising=False)
    (tmp_path / "env").write_text("# comment\nA=b\n\nOURS\n")
    assert creation.environment(["C=d", "OURS", "MISSING"], [str(tmp_path / "env")]) == [
        *("A=b", "OURS=1", "C=d", "OURS=1")
    ]


@pytest.mark.parametrize(
    ("text", "amount"),
    [("", 0), ("512", 512), ("1k", 1024), ("2m", 2 << 20), ("1g", 1 << 30), ("1gb", 1 << 30), ("9b", 9)],
)
def test_memory(text, amount):
    assert creation.memory(text) == amount


def test_wrong_memory():
    with pytest.raises(UsageError):
        creation.memory("lots")
