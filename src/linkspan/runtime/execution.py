"""A process that runs inside a container beside its init: its streams and its exit code."""

from __future__ import annotations


class ExecHandle:
    """A running exec session.

    `pid` is the process's id on the host. `stdin`, `stdout`, `stderr` are blocking pipe descriptors that the caller
    owns (None when not asked for, or detached); with a terminal `terminal` is the pty's master, in both directions,
    and the three are None. Reading a pipe gives b"" at the end; reading the terminal raises EIO at the end.
    """

    pid: int
    stdin: int | None
    stdout: int | None
    stderr: int | None
    terminal: int | None

    async def wait(self) -> int:
        """Wait for the process to end; return its exit code, 0..255 (128 + signal)."""
        raise NotImplementedError

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        raise NotImplementedError

    def resize(self, height: int, width: int) -> None:
        """Set the terminal's size in characters; nothing to do without a terminal."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the descriptors; the process runs on."""
        raise NotImplementedError
