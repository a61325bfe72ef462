"""The process `linkspan-proxy`: `python -I -S process.py SOURCE_ROOT CONTROL_PATH`, descriptor 3 listening.

It imports as little as it can (no site, socket, typing, dataclasses): it starts in 10 ms and stays small.
"""

from __future__ import annotations

import os
import signal
import sys

LISTENER_DESCRIPTOR = 3
NAME = "linkspan-proxy"


def main(source_root: str, control: str) -> None:
    """Serve until told to end, or until nothing is held and no daemon is connected."""
    sys.path.insert(0, source_root)
    import _socket

    from linkspan.path.proxy.control import Control
    from linkspan.path.proxy.doors import Doors
    from linkspan.path.proxy.limits import raise_descriptor_limit
    from linkspan.path.proxy.loop import Loop

    os.chdir("/")
    with open("/proc/self/comm", "w") as comm:
        comm.write(NAME)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, LISTENER_DESCRIPTOR)
    os.set_inheritable(LISTENER_DESCRIPTOR, False)
    listener.setblocking(False)
    name = _identity(control)
    loop = Loop(raise_descriptor_limit())
    Control(loop, Doors(loop), listener, lambda: _identity(control) == name)
    loop.run()
    # The name goes first: a daemon that finds it has a proxy that will answer or end, never one that hangs.
    if _identity(control) == name:
        os.unlink(control)  # noqa: PTH108


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
