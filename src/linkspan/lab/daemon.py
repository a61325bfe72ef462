"""The engine's daemon as a process of the lab: start, wait until it answers, end."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from linkspan.lab.place import Place, children
from linkspan.lab.result import LabError

READY_TIMEOUT = 30.0


class DaemonProcess:
    """A daemon started in a place; everything it prints goes into `log`."""

    def __init__(
        self,
        place: Place,
        argv: Sequence[str],
        control: Path,
        log: Path,
        *,
        join: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start `argv` in `place`, after the shell lines `join`, and wait until `control` answers /_ping."""
        self.argv = tuple(argv)
        self.control = control
        self.log = log
        command = ["bash", "-c", f'{join}\nexec "$@"', "bash", *place.command(argv, cgroup=bool(join))]
        with log.open("ab") as output:
            self._entry = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except LabError:
            self.kill()
            raise
        self.pid = children(self._entry.pid)[0]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while time.monotonic() < deadline:
            code = self._entry.poll()
            if code is not None:
                raise LabError(f"the daemon exited {code}\n{self.tail()}")
            if answers(self.control):
                return
            time.sleep(0.02)
        raise LabError(f"the daemon does not answer on {self.control}\n{self.tail()}")

    @property
    def running(self) -> bool:
        return self._entry.poll() is None

    def tail(self, lines: int = 40) -> str:
        """The last lines of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the daemon itself (not to the nsenter that started it)."""
        os.kill(self.pid, number)

    def stop(self, timeout: float = 20) -> int:
        """Ask it to end, wait, and return its exit code; LabError when it does not end in time."""
        if self.running:
            self.send(signal.SIGTERM)
        try:
            return self._entry.wait(timeout)
        except subprocess.TimeoutExpired as late:
            self.kill()
            raise LabError(f"the daemon did not end within {timeout:g} s of SIGTERM\n{self.tail()}") from late

    def wait(self, timeout: float = 10) -> int:
        """Wait until it has ended; its exit code."""
        return self._entry.wait(timeout)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.running:
            for pid in children(self._entry.pid):
                os.kill(pid, signal.SIGKILL)
        self.wait()


def answers(control: Path) -> bool:
    """Whether an HTTP server answers GET /_ping with 200 on this unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(control))
            connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False
