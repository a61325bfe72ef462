"""What conmon leaves in the bundle, and processes held by descriptor."""

import asyncio
import os
import subprocess
import sys

import pytest

from linkspan.runtime import pidfds
from linkspan.runtime.bundle import Bundle
from linkspan.runtime.process import Created


@pytest.fixture
def bundle(tmp_path):
    made = Bundle("abc", tmp_path / "c")
    made.make({"linux": {}})
    return made


def test_it_starts_empty(bundle):
    assert bundle.config() == {"linux": {}}
    assert bundle.created() is None and bundle.exit_status() is None and bundle.open_conmon() is None
    with pytest.raises(FileExistsError):
        bundle.make({})
    bundle.remove()
    bundle.remove()
    assert not bundle.path.exists()


def test_the_exit_file(bundle):
    (bundle.exits / "abc").write_text("")
    assert bundle.exit_status() is None
    (bundle.exits / "abc").write_text("137")
    (bundle.path / "oom").write_text("")
    status = bundle.exit_status()
    assert (status.code, status.oom) == (137, True)
    (bundle.exits / "abc").write_text("-1")
    assert bundle.exit_status().code == 255


async def test_a_process_is_known_by_an_argument_or_its_parent(bundle):
    command = [sys.executable, "-c", "print(flush=True); input()", "abc"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.read(1)
    bundle.pid_path.write_text("1")
    bundle.conmon_pid_path.write_text(str(child.pid))
    assert bundle.created() == Created(1, child.pid)
    held = bundle.open_conmon()
    assert not pidfds.ended(held, 0)
    assert pidfds.open_with_argument(child.pid, "other") is None
    ours = pidfds.open_child_of(child.pid, os.getpid())
    assert pidfds.open_child_of(child.pid, 1) is None
    pidfds.send(ours, 9)
    await asyncio.wait_for(pidfds.end(held), 5)
    child.communicate()
    assert pidfds.ended(ours, 1000)
    pidfds.send(ours, 9)
    os.close(ours)
    assert bundle.open_conmon() is None
