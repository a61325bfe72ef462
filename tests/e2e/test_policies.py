"""Restart policies, health checks, the daemon's end and beginning: what happens without anybody asking."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def state(stage, name: str) -> dict[str, Any]:
    found: dict[str, Any] = stage.inspect(name)["State"]
    return found


def test_on_failure_gives_up_after_its_retries(stage):
    stage.docker(
        "run", "-d", "--name", "fails", "--restart", "on-failure:2", "busybox", "sh", "-c", "echo run; exit 3"
    )
    stage.until(lambda: state(stage, "fails")["Status"] == "exited")
    assert stage.inspect("fails")["RestartCount"] == 2
    assert stage.docker("logs", "fails").out == "run\n" * 3


def test_always_comes_back_until_it_is_stopped(stage):
    stage.docker("run", "-d", "--name", "again", "--restart", "always", "busybox", "sleep", "0.1")
    stage.until(lambda: stage.inspect("again")["RestartCount"] >= 2)
    stage.docker("stop", "again")
    assert state(stage, "again")["Status"] == "exited"
    assert stage.docker("ps", "-q").out == ""


def test_a_container_that_waits_for_its_restart_can_be_removed(stage):
    stage.docker("run", "-d", "--name", "loop", "--restart", "always", "busybox", "false")
    stage.until(lambda: state(stage, "loop")["Status"] == "restarting")
    stage.docker("rm", "-f", "loop")
    assert stage.docker("ps", "-aq").out == ""


def test_restart_of_an_auto_remove_container_keeps_it(stage):
    stage.docker("run", "-d", "--rm", "--name", "kept", "busybox", "sleep", "1000")
    stage.docker("restart", "-t", "0", "kept")
    assert state(stage, "kept")["Running"]
    stage.docker("kill", "kept")
    stage.until(lambda: not stage.docker("ps", "-aq").out)


def test_health_goes_from_unhealthy_to_healthy(stage):
    stage.docker(
        *("run", "-d", "--name", "sick", "--health-cmd", "test -e /ok || { echo no; exit 1; }"),
        *("--health-interval", "100ms", "--health-retries", "2", "busybox", "sleep", "1000"),
    )
    stage.until(lambda: "(unhealthy)" in stage.docker("ps").out)
    assert state(stage, "sick")["Health"]["Log"][0]["Output"] == "no\n"
    stage.inside("sick", "touch", "/ok")
    stage.until(lambda: "(healthy)" in stage.docker("ps").out)
    assert stage.docker("ps", "-q", "--filter", "health=healthy").out


def test_a_health_check_that_hangs_is_ended(stage):
    stage.docker(
        *("run", "-d", "--name", "slow", "--health-cmd", "sleep 100", "--health-timeout", "200ms"),
        *("--health-interval", "100ms", "--health-retries", "1", "busybox", "sleep", "1000"),
    )
    stage.until(lambda: state(stage, "slow")["Health"]["Status"] == "unhealthy")
    assert "exceeded timeout" in state(stage, "slow")["Health"]["Log"][0]["Output"]


def test_killed_daemon_takes_over_records_ends_and_restarts(own_stage):
    stage = own_stage
    stage.docker("run", "-d", "--name", "lives", "busybox", "sleep", "1000")
    stage.docker("run", "-d", "--name", "ends", "busybox", "sh", "-c", "sleep 0.5; echo last words; exit 4")
    stage.docker("run", "-d", "--name", "goes", "--rm", "busybox", "sleep", "0.5")
    stage.docker("run", "-d", "--name", "back", "--restart", "always", "busybox", "sleep", "0.5")
    address = stage.address("lives")
    stage.lab.kill_daemon()
    time.sleep(0.7)
    stage.lab.daemon()
    assert (state(stage, "lives")["Running"], stage.address("lives")) == (True, address)
    assert stage.inside("lives", "echo", "hi").out == "hi\n"
    assert (state(stage, "ends")["Status"], state(stage, "ends")["ExitCode"]) == ("exited", 4)
    assert stage.docker("logs", "ends").out == "last words\n"
    stage.until(lambda: state(stage, "back")["Running"])
    assert "goes" not in stage.docker("ps", "-a", "--format", "{{.Names}}").lines


def test_start_and_removal_at_once_leave_nothing(stage):
    before = stage.snapshot()
    for number in range(5):
        name = f"both{number}"
        stage.docker("create", "--name", name, "-p", "8080:80", "busybox", "sleep", "1000")
        with ThreadPoolExecutor(2) as both:
            both.submit(stage.docker, "start", name, check=False)
            assert both.submit(stage.docker, "rm", "-f", name).result().text == name
    assert stage.docker("ps", "-aq").out == ""
    stage.unchanged_since(before)


def test_what_takes_space(stage):
    stage.docker(
        "run",
        "-d",
        "--name",
        "big",
        "-v",
        "named:/v",
        "busybox",
        "sh",
        "-c",
        "head -c 70000 /dev/zero > /f; sleep 1000",
    )
    stage.until(lambda: "70kB" in stage.docker("ps", "--size").out)
    lines = stage.docker("system", "df").lines
    images = str(len(set(stage.docker("images", "-aq").lines)))
    assert [line.split()[:2] for line in lines[1:3]] == [["Images", images], ["Containers", "1"]]
    assert "named" in stage.docker("system", "df", "-v").out
    stage.docker("rm", "-f", "big")
    stage.docker("volume", "rm", "named")
