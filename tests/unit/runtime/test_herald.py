"""Which file moves us into the group that we are in, and a herald that nobody waits for."""

import threading

import pytest

from linkspan.runtime.herald import Herald, own_group


@pytest.mark.parametrize(
    ("proc_cgroup", "v2", "expected"),
    [
        ("9:name=systemd:/\n8:pids:/lab\n0::/\n", False, "systemd/tasks"),
        ("4:cpu,cpuacct:/lab\n", False, "cpu/lab/tasks"),
        ("7:hidden:/\n8:pids:/lab\n", False, "pids/lab/tasks"),
        ("0::/lab\n", True, "lab/cgroup.procs"),
        ("8:pids:/lab\n0::/\n", True, "cgroup.procs"),
        ("0::/lab\n", False, None),
        ("8:pids:/../elsewhere\n", False, None),
        ("", True, None),
    ],
)
def test_the_group_that_we_are_in(tmp_path, proc_cgroup, v2, expected):
    for file in ("systemd/tasks", "cpu/lab/tasks", "pids/lab/tasks", "lab/cgroup.procs", "cgroup.procs"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / "proc").write_text(proc_cgroup)
    found = own_group(tmp_path, v2, tmp_path / "proc")
    assert found == (tmp_path / expected if expected else None)


def announced(herald):
    herald.announce()
    for thread in threading.enumerate():
        if thread.name == "herald":
            thread.join(5)


def test_a_thread_is_moved_to_where_it_is(tmp_path):
    (tmp_path / "tasks").touch()
    announced(Herald(tmp_path / "tasks"))
    assert (tmp_path / "tasks").read_text().isdecimal()


def test_what_is_not_allowed_is_not_tried_again(tmp_path):
    herald = Herald(tmp_path / "missing" / "tasks")
    announced(herald)
    (tmp_path / "missing").mkdir()
    announced(herald)
    announced(Herald(None))
    assert not (tmp_path / "missing" / "tasks").exists()
