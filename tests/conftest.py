"""What every test may rely on: at the end of the session the machine is as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

MARK = f"LINKSPAN_TEST_SESSION={uuid.uuid4().hex}"
os.environ.update([MARK.split("=")])
# Started in the background of a shell, we and all our children would ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left_behind() -> Iterator[None]:
    """Fail when a process of the tests outlives them; it is known by a variable that all children inherit."""
    yield
    left = _processes()
    assert not left, "left behind by the tests:\n" + "\n".join(left)


class Leftovers:
    """Fails a session that leaves a mount, cgroup, link, rule or file behind.

    They are looked for on the whole machine, so only where nobody else is at work (CI), and once for all
    the processes that share the tests.
    """

    def __init__(self) -> None:
        self._before = _machine()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        left = sorted(_machine() - self._before)
        if left:
            print("\nleft behind by the tests:", *left, sep="\n")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Leftovers())


def _processes() -> list[str]:
    found = []
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == os.getpid():
            continue
        try:
            environment = (directory / "environ").read_bytes()
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile, or is not ours to read
            continue
        if MARK.encode() in environment.split(b"\0"):
            found.append(f"process {directory.name}: {command}")
    return found


def _machine() -> set[str]:
    """Everything a test may forget, one line each."""
    lines = {f"mount {line.split()[4]}" for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    lines |= {f"link {path.name}" for path in Path("/sys/class/net").iterdir()}
    patterns = ("linkspan*", "netns/*", "linkspan*/*")
    for root in (Path("/run"), Path("/var/lib"), Path(tempfile.gettempdir())):
        lines |= {f"file {path}" for pattern in patterns for path in root.glob(pattern)}
    for root, names, _ in os.walk("/sys/fs/cgroup"):  # unlike a glob it does not mind what goes meanwhile
        lines |= {f"cgroup {root}/{name}" for name in names if name.startswith("linkspan")}
    if os.geteuid() == 0:
        for command in ("iptables-save", "ip6tables-save"):
            saved = subprocess.run([command], capture_output=True, text=True, check=False).stdout
            lines |= {f"{command}: {line}" for line in saved.splitlines() if line.startswith("-A")}
    return lines
