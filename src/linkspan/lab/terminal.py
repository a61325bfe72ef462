"""A person at a terminal: types when something has appeared, and may change the window's size."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence

PATIENCE = 10.0


class Terminal:
    """A command on a terminal of its own."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], rows: int = 24, columns: int = 80
    ) -> None:
        """Start `argv` with `env` added to our environment."""
        self.shown = b""
        self._read = 0
        self._pid, self._master = pty.fork()
        if self._pid == 0:
            os.execvpe(argv[0], list(argv), {**os.environ, **env})
        self.resize(rows, columns)

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size, as dragging its corner does."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str | bytes) -> None:
        """Press keys."""
        os.write(self._master, text.encode() if isinstance(text, str) else text)

    def see(self, text: str, keys: str | bytes = b"") -> None:
        """Wait until `text` appears after what was seen last, then press `keys`."""
        deadline = time.monotonic() + PATIENCE
        while (at := self.shown.find(text.encode(), self._read)) < 0:
            assert time.monotonic() < deadline, f"{text!r} did not appear in {self.shown!r}"
            assert self._more() or self._more(), f"it ended before {text!r} appeared: {self.shown!r}"
        self._read = at + len(text.encode())
        if keys:
            self.type(keys)

    def _more(self, seconds: float = 0.1) -> bool:
        """Read what there is; False at the end."""
        if select.select([self._master], [], [], seconds)[0]:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return False
            self.shown += data
            return bool(data)
        return True

    def end(self) -> int:
        """Wait for the end of the command; return its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._more():
            assert time.monotonic() < deadline, f"it does not end: {self.shown!r}"
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """End the command if it has not ended."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
        os.close(self._master)
