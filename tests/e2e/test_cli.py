"""Our own command against our own daemon: the same words, flags and shapes as docker's."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from linkspan.lab.lab import installed


@pytest.fixture
def linkspan(stage):
    return stage.lab.linkspan


def test_run_detached_ps_and_rm(linkspan, stage):
    id = linkspan("run", "-d", "--name", "c1", "-p", "8080:80", "busybox", "httpd", "-f").text
    assert re.fullmatch("[0-9a-f]{64}", id)
    titles, row = linkspan("ps").lines
    assert titles.split("  ")[0] == "CONTAINER ID"
    assert row.startswith(id[:12])
    assert "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp" in row
    assert linkspan("rm", "-f", "c1").text == "c1"
    assert linkspan("ps", "-aq").text == ""


def columns(table: str) -> list[list[str]]:
    """The words of a table, all ages made the same."""
    return [re.sub(r"Less than a second|\d+ seconds?", "AGE", line).split() for line in table.splitlines()]


def test_the_same_table_as_dockers(linkspan, stage):
    stage.sleeper("c1", "-p", "8000-8010:8000-8010", "-p", "53:53/udp")
    stage.sleeper("c2", "--network", "none")
    for command in (["ps"], ["network", "ls"], ["ps", "-a", "--no-trunc"], ["port", "c1"]):
        assert columns(linkspan(*command).out) == columns(stage.docker(*command).out)


def test_attached_run(linkspan):
    result = linkspan("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 3", check=False)
    assert (result.out, result.err, result.code) == ("out\n", "err\n", 3)
    assert linkspan("run", "--rm", "-i", "busybox", "cat", input="through").out == "through"


def test_exec_logs_top_wait(linkspan, stage):
    linkspan("run", "-d", "--name", "c1", "busybox", "sh", "-c", "echo logged; sleep 1000")
    assert linkspan("exec", "c1", "sh", "-c", "echo in; exit 4", check=False).code == 4
    assert linkspan("exec", "-i", "c1", "cat", input="x").out == "x"
    stage.until(lambda: linkspan("logs", "c1").out == "logged\n")
    assert "sleep 1000" in linkspan("top", "c1").out
    assert linkspan("stop", "-t", "0", "c1").text == "c1"
    assert linkspan("wait", "c1").text == "137"
    assert linkspan("start", "c1").text == "c1"
    assert linkspan("kill", "c1").text == "c1"
    assert linkspan("restart", "-t", "0", "c1").text == "c1"
    linkspan("rename", "c1", "c2")
    assert linkspan("inspect", "-f", "{{.Name}} {{.State.Status}}", "c2").text == "/c2 running"


def test_networks(linkspan, stage):
    id = linkspan("network", "create", "--subnet", "10.5.0.0/24", "--label", "a=b", "front").text
    shown = json.loads(linkspan("network", "inspect", "front").out)[0]
    assert (shown["Id"], shown["IPAM"]["Config"][0]["Subnet"]) == (id, "10.5.0.0/24")
    stage.sleeper("c1")
    linkspan("network", "connect", "--ip", "10.5.0.9", "front", "c1")
    assert stage.address("c1", "front") == "10.5.0.9"
    assert "active endpoints" in linkspan("network", "rm", "front", check=False).err
    linkspan("network", "disconnect", "front", "c1")
    assert "front" in linkspan("network", "prune", "-f").out


def test_images(linkspan, stage):
    assert "busybox" in linkspan("images").out
    linkspan("tag", "busybox", "other:1")
    assert linkspan("rmi", "other:1").text == "Untagged: other:1"
    archive = stage.lab.directory / "cli.tar"
    stage.docker("create", "--name", "c1", "busybox")
    stage.docker("export", "-o", str(archive), "c1")
    assert "sha256:" in linkspan("import", str(archive), "mine:1").out
    saved = stage.lab.directory / "cli-saved.tar"
    stage.docker("save", "-o", str(saved), "mine:1")
    linkspan("rmi", "mine:1")
    assert "Loaded image: mine:1" in linkspan("load", "-i", str(saved)).out
    linkspan("rmi", "mine:1")


def test_events_version_info(linkspan, stage):
    stage.sleeper("c1")
    assert re.search(
        r"container start [0-9a-f]{64} \(.*name=c1", linkspan("events", "--since", "5s", "--until", "0s").out
    )
    assert "API version:" in linkspan("version").out
    assert "Containers: 1" in linkspan("info").out


def test_a_terminal(stage):
    command = f"{installed('linkspan')} run --rm -it busybox sh -c 'tty; stty size; exit 3'"
    done = subprocess.run(
        ["script", "-qec", f"stty rows 33 cols 77; {command}", "/dev/null"],
        env={**os.environ, **stage.lab.client_env},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 3, done.stdout
    assert "/dev/" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["inspect", "nobody"], 1, "No such object: nobody"),
        (["rm", "nobody"], 1, "No such container: nobody"),
        (["run", "--nonsense", "busybox"], 125, "unknown flag: --nonsense"),
        (["run", "busybox", "nonexistent"], 127, "executable file not found"),
        (["run", "-p", "x:80", "busybox"], 125, "Invalid hostPort: x"),
        (["ps", "extra"], 1, "accepts no arguments"),
        (["network", "connect", "front"], 1, "requires 2 arguments"),
        (["nonsense"], 1, "unknown command"),
        (["load", "-i", "/nowhere"], 1, "no such file or directory"),
    ],
)
def test_wrong_use(linkspan, arguments, code, text):
    result = linkspan(*arguments, check=False)
    assert text in result.err
    assert result.code == code


def test_no_daemon(lab):
    result = lab.linkspan("ps", check=False)
    assert result.code == 1
    assert "Start it with: linkspan daemon" in result.err
