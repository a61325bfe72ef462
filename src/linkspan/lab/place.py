"""One place of the lab: namespaces of its own, kept alive by a process that ends when we end."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from linkspan.lab.result import LabError, Result


class Place:
    """Network, mount, process-id and host-name namespaces under one name, entered with nsenter(1).

    Process 1 in there is a shell that reaps orphans and waits for its input to end. The only writer of that
    input is this object, so whatever happens to us, the kernel kills every process of the place and drops its
    mounts and links.
    """

    def __init__(self, name: str, *, prepare: str = "", join: str = "", cgroup: bool = False) -> None:
        """`join` is run by a shell before the namespaces are made, `prepare` by the shell inside them."""
        inside = (
            f"set -eu\nhostname {name}\nip link set lo up\n{prepare}\necho ready\nset +e\ncat >/dev/null\n:"
        )
        flags = "--net --mount --pid --uts --fork --kill-child --mount-proc --propagation private"
        flags += " --cgroup" if cgroup else ""
        outside = f'set -eu\n{join}\nexec unshare {flags} -- bash -c "$1"'
        self.name = name
        self._holder = subprocess.Popen(
            ["bash", "-c", outside, "bash", inside],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"ready\n":
            _, err = self._holder.communicate()
            raise LabError(f"the lab's {name} could not be made: {err.decode(errors='replace').strip()}")
        self.pid = children(self._holder.pid)[0]

    def namespace(self, kind: str = "net") -> str:
        """Path of one of its namespaces, as nsenter and `ip link set … netns` take it."""
        return f"/proc/{self.pid}/ns/{kind}"

    def command(self, argv: Sequence[str], *, cgroup: bool = False) -> list[str]:
        """The command that runs `argv` in here."""
        flags = ["--root", "--wd", "--net", "--mount", "--pid", "--uts"] + (["--cgroup"] if cgroup else [])
        return ["nsenter", f"--target={self.pid}", *flags, "--", *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,
        timeout: float = 60,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command in here to its end, at most `timeout` seconds; LabError when it takes longer."""
        return execute(self.command(argv), argv, input=input, timeout=timeout, env=env)

    def close(self) -> None:
        """End every process of the place and wait until they are gone."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        assert self._holder.stderr is not None
        self._holder.stdin.close()
        try:
            self._holder.wait(10)
        except subprocess.TimeoutExpired:
            self._holder.kill()
            self._holder.wait()
        self._holder.stdout.close()
        self._holder.stderr.close()


def execute(
    command: Sequence[str],
    shown: Sequence[str],
    *,
    input: str | None = None,
    timeout: float = 60,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run `command` and return its Result under the name `shown`; `env` is added to our environment."""
    try:
        done = subprocess.run(
            command,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, **(env or {})},
        )
    except subprocess.TimeoutExpired as late:
        printed = "".join(_text(each) for each in (late.stdout, late.stderr))
        raise LabError(f"{' '.join(shown)} was not done after {timeout:g} s\n{printed}") from late
    return Result(tuple(shown), done.returncode, done.stdout, done.stderr)


def _text(printed: bytes | str | None) -> str:
    return printed.decode(errors="replace") if isinstance(printed, bytes) else printed or ""


def children(pid: int) -> list[int]:
    """Process ids of a process's children (proc(5), /proc/pid/task/tid/children), once there are any."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if found:
            return [int(each) for each in found]
        time.sleep(0.005)
    raise LabError(f"process {pid} has no child")
