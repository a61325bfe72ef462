"""A process that runs inside a container beside its init: its streams and its exit code."""

from __future__ import annotations

import array
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import termios
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from linkspan.runtime import commands, pidfds, syscalls
from linkspan.runtime.bundle import Bundle
from linkspan.runtime.failures import exec_failure
from linkspan.runtime.launcher import Launcher
from linkspan.runtime.process import ExecProcess


class ExecHandle:
    """A running exec session.

    `pid` is the process's id on the host. `stdin`, `stdout`, `stderr` are blocking pipe descriptors that the
    caller owns (None when not asked for, or detached); with a terminal `terminal` is the pty's master, in
    both directions, and the three are None. Reading a pipe gives b"" at the end; reading the terminal
    raises EIO at the end. The caller must await `wait`, and `close`.
    """

    def __init__(self, pid: int, runtime: subprocess.Popen[bytes], streams: Streams) -> None:
        """Take over a started runtime process and the caller's ends of its streams."""
        self.pid = pid
        self.stdin, self.stdout, self.stderr = streams.stdin, streams.stdout, streams.stderr
        self.terminal = streams.terminal
        self._runtime = runtime

    async def wait(self) -> int:
        """Wait for the process to end; return its exit code, 0..255 (128 + signal)."""
        if self._runtime.poll() is None:
            await pidfds.end(os.pidfd_open(self._runtime.pid))
        return _code(self._runtime.wait())

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        code = self._runtime.poll()
        return None if code is None else _code(code)

    def resize(self, height: int, width: int) -> None:
        """Set the terminal's size in characters; nothing to do without a terminal."""
        if self.terminal is not None:
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def close_stdin(self) -> None:
        """Let the process read end-of-file; nothing to do with a terminal."""
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    def close(self) -> None:
        """Close the descriptors; the process runs on."""
        for descriptor in (self.stdin, self.stdout, self.stderr, self.terminal):
            if descriptor is not None:
                os.close(descriptor)
        self.stdin = self.stdout = self.stderr = self.terminal = None


@dataclass(slots=True)
class Streams:
    """Both ends of a session's streams while it starts: the caller's by name, the process's in `given`."""

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    terminal: int | None = None
    given: dict[str, int] = field(default_factory=dict)

    @classmethod
    def pipes(cls, stdin: bool) -> Streams:
        """Return pipes for the output, and for the input if asked."""
        streams = cls()
        if stdin:
            streams.given["stdin"], streams.stdin = os.pipe()
        streams.stdout, streams.given["stdout"] = os.pipe()
        streams.stderr, streams.given["stderr"] = os.pipe()
        return streams

    def close_given(self) -> None:
        """Close the process's ends, once it has them."""
        while self.given:
            os.close(self.given.popitem()[1])

    def close(self) -> None:
        """Close everything."""
        self.close_given()
        for descriptor in (self.stdin, self.stdout, self.stderr, self.terminal):
            if descriptor is not None:
                os.close(descriptor)


class ConsoleSocket:
    """The socket on which the runtime hands over a pty's master (OCI runtime-spec, console socket)."""

    def __init__(self, directory: Path, name: str) -> None:
        """Listen in `directory`, however long its path is."""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._directory = os.open(directory, os.O_PATH | os.O_DIRECTORY)
        self._name = name
        # The runtime is a child of ours: it reaches the directory through our own /proc entry.
        self.path = f"/proc/{os.getpid()}/fd/{self._directory}/{name}"
        self._listener.bind(self.path)
        self._listener.listen(1)

    def receive(self) -> int:
        """Return the master that the runtime has sent."""
        self._listener.settimeout(10)
        connection, _ = self._listener.accept()
        with connection:
            descriptors = array.array("i")
            _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(descriptors.itemsize))
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    descriptors.frombytes(data[: descriptors.itemsize])
        return descriptors[0]

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._listener.close()
        with suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._directory)
        os.close(self._directory)


def start(
    launcher: Launcher, runtime: Sequence[str], bundle: Bundle, process: ExecProcess, document: dict[str, Any]
) -> ExecHandle:
    """Run `document` in the container and return when it runs; raises RuntimeFailure when it cannot.

    Blocking: about 6 ms.
    """
    file = bundle.path / f"exec-{process.id}.json"
    pid_file = bundle.path / f"exec-{process.id}.pid"
    terminal = document["terminal"]
    console = ConsoleSocket(bundle.path, f"exec-{process.id}.tty") if terminal else None
    streams = Streams() if terminal or process.detach else Streams.pipes(process.stdin)
    try:
        file.touch(mode=0o600)  # the environment is in it
        file.write_text(json.dumps(document))
        options = ["--process", str(file), "--pid-file", str(pid_file)]
        options += ["--console-socket", console.path] if console else []
        with commands.memory_file("exec-log") as log:
            line = [*runtime, f"--log=/proc/self/fd/{log}", "exec", *options, bundle.id]
            child, pid = _run(launcher, line, streams, log, pid_file)
            if pid is None:
                raise exec_failure(commands.text(log), process.args)
        if console:
            streams.terminal = console.receive()
        return ExecHandle(pid, child, streams)
    except BaseException:
        streams.close()
        raise
    finally:
        if console:
            console.close()
        for path in (file, pid_file):
            path.unlink(missing_ok=True)


def _run(
    launcher: Launcher, command: list[str], streams: Streams, log: int, pid_file: Path
) -> tuple[subprocess.Popen[bytes], int | None]:
    """Start the runtime; return it with the process's id, or with None when it ended without starting one.

    The runtime writes the id after everything that can fail, just before the program runs.
    """
    watch = syscalls.watch(str(pid_file.parent), syscalls.IN_CLOSE_WRITE)
    try:
        child = launcher.spawn(
            command,
            pass_fds=(log,),
            new_session=True,
            stdin=streams.given.get("stdin", subprocess.DEVNULL),
            stdout=streams.given.get("stdout", subprocess.DEVNULL),
            stderr=streams.given.get("stderr", subprocess.DEVNULL),
        )
        streams.close_given()
        return child, _started(child, pid_file, watch)
    finally:
        os.close(watch)


def _started(child: subprocess.Popen[bytes], pid_file: Path, watch: int) -> int | None:
    process = os.pidfd_open(child.pid)
    poller = select.poll()
    poller.register(watch, select.POLLIN)
    poller.register(process, select.POLLIN)
    try:
        while True:
            if (pid := _pid(pid_file)) is not None:
                return pid
            if any(descriptor == process for descriptor, _ in poller.poll()):
                child.wait()
                return _pid(pid_file)
            os.read(watch, 4096)
    finally:
        os.close(process)


def _pid(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _code(code: int) -> int:
    return code if code >= 0 else 128 - code
