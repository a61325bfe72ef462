"""The lab keeps to itself, and goes without a trace."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from linkspan.lab import Lab, LabError


def machine() -> tuple[str, str]:
    """Links and routes of the machine's own namespaces."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    return links, routes


def test_the_machine_sees_nothing_of_it():
    before = machine()
    with Lab() as lab:
        lab.daemon()
        lab.docker("run", "-d", "-p", "8080:80", "busybox", "sleep", "1000")
        assert machine() == before
        assert str(lab.directory) not in Path("/proc/self/mountinfo").read_text()
    assert machine() == before
    assert not lab.directory.exists()


def test_the_places_reach_each_other_as_drawn(lab):
    def pings(where: str, address: str) -> bool:
        return lab.run(where, "ping", "-c1", "-W1", address, check=False).code == 0

    assert pings("host", "10.0.0.9")
    assert pings("host", "198.51.100.1")
    assert pings("lan", "10.0.0.5")
    assert pings("internet", "100.64.0.2")
    assert not pings("lan", "198.51.100.1")


def test_no_way_leads_out(lab):
    own = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
    for address in own:
        assert lab.run("host", "ping", "-c1", "-W1", address, check=False).code != 0


def test_commands_answer_or_fail_loudly(lab):
    assert lab.run("host", "hostname").text == "host"
    assert lab.run("lan", "cat", input="fed").out == "fed"
    assert lab.run("host", "sh", "-c", "exit 3", check=False).code == 3
    with pytest.raises(LabError, match=r"ls /nowhere exited 2\n.*No such file"):
        lab.run("host", "ls", "/nowhere")
    with pytest.raises(LabError, match="was not done after"):
        lab.run("host", "sleep", "9", timeout=0.1)


def test_a_daemon_that_does_not_start_says_why(lab):
    with pytest.raises(LabError, match="unknown flag: --nonsense"):
        lab.daemon("--nonsense")


def test_a_page_for_others(lab):
    lab.serve_http("internet", 80, "hello\n", address="198.51.100.1")
    deadline = time.monotonic() + 3
    while lab.run("host", "curl", "-s", "http://198.51.100.1/", check=False).text != "hello":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_everything_ends_with_the_process_that_made_it(tmp_path):
    """Killed without a chance to clean up: the kernel ends all processes; files and empty cgroups stay."""
    script = textwrap.dedent(f"""
        import pathlib, time
        from linkspan.lab import Lab
        lab = Lab(pathlib.Path({str(tmp_path / "linkspan-lab")!r}))
        lab.__enter__()
        lab.daemon()
        lab.docker("run", "-d", "busybox", "sleep", "4242")
        print(lab.place("host").pid, flush=True)
        time.sleep(60)
    """)
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    owner.kill()
    owner.communicate()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the host's first process is still there"
        time.sleep(0.05)
    assert (
        "sleep 4242"
        not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    )
    _remove_empty_cgroups("linkspan-lab")


def _remove_empty_cgroups(name: str) -> None:
    for directory in Path("/sys/fs/cgroup").glob(f"**/{name}"):
        for each in sorted(directory.rglob("*"), reverse=True):
            if each.is_dir():
                each.rmdir()
        directory.rmdir()
