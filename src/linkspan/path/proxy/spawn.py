"""Start the proxy process: a bare interpreter under the name `linkspan-proxy`, in a session of its own."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import linkspan
from linkspan.path.proxy import process

NAME = "linkspan-proxy"
LISTENER_DESCRIPTOR = 3


def start(control: Path, log: Path | None) -> int:
    """Start a proxy that answers on the unix socket `control`, in the caller's netns; returns its pid.

    The socket exists and takes connections when this returns. What was at `control` is replaced.
    """
    with _listener(control) as listener:
        # The interpreter finds its library beside argv[0], and ps and netstat show argv[0]'s last part.
        executable = Path(sys.executable).resolve()
        arguments = [
            str(executable.with_name(NAME)),
            "-I",
            "-S",
            process.__file__,
            str(_source_root()),
            str(control),
        ]
        return os.posix_spawn(executable, arguments, {}, file_actions=_files(listener, log), setsid=True)


def _source_root() -> Path:
    return Path(linkspan.__file__).parent.parent


def _files(listener: socket.socket, log: Path | None) -> list[tuple[object, ...]]:
    output = str(log) if log else os.devnull
    return [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        (os.POSIX_SPAWN_DUP2, listener.fileno(), LISTENER_DESCRIPTOR),
    ]


def _listener(control: Path) -> socket.socket:
    """Listen under a new name and move it to `control`: whoever connects finds the old one or the new one."""
    control.parent.mkdir(parents=True, exist_ok=True)
    fresh = control.with_name(f".{control.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with reachable(fresh) as name:
            made.bind(name)
        fresh.chmod(0o600)
        made.listen(16)
        fresh.rename(control)
    except BaseException:
        made.close()
        fresh.unlink(missing_ok=True)
        raise
    return made


class reachable:
    """A name for the unix socket `path` of less than 108 bytes (sun_path), while the context is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._directory = -1

    def __enter__(self) -> str:
        self._directory = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._directory}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._directory)
