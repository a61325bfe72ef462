"""The pipe that a program of crun waits at until its container is started."""

from __future__ import annotations

import os
from pathlib import Path


def opened(state: Path) -> bool:
    """Let the program of the container with crun's directory `state` run, as `crun start` does, without it.

    False when nothing waits there: then `crun start` knows why. Source: libcrun's status.c,
    libcrun_status_write_exec_fifo.
    """
    pipe = state / "exec.fifo"
    try:
        descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        pipe.unlink()
        os.write(descriptor, b"\0")
    finally:
        os.close(descriptor)
    return True
