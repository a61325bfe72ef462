"""The ports that a sandbox's rules lead to, kept for the next daemon: writing rules takes two programs."""

from __future__ import annotations

import select
import socket
from pathlib import Path

from linkspan.path.dns.server import ADDRESS, Sockets, open_sockets

PATIENCE_MS = 50  # a datagram to oneself takes microseconds; more is a busy machine, or no rule


class PortMemory:
    """A file with the UDP and the TCP port among the files of each container, below `directory`; blocking.

    It goes with the container; one of an earlier run of it leads nowhere, which is noticed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def remember(self, container: str, sockets: Sockets) -> None:
        """Write down where the rules in a container's namespace lead; raises OSError."""
        if self._file(container).parent.is_dir():
            self._file(container).write_text(" ".join(map(str, sockets.ports())))

    def reopened(self, container: str) -> Sockets | None:
        """Open the sockets that the rules of the calling thread's namespace lead to already.

        None when they lead elsewhere, or nowhere, or the ports are taken: then new rules must be written.
        """
        try:
            datagram, stream = map(int, self._file(container).read_text().split())
            sockets = open_sockets(datagram, stream)
        except (OSError, ValueError):
            return None
        if _are_led_to(sockets.datagram):
            return sockets
        sockets.close()
        return None

    def _file(self, container: str) -> Path:
        return self._directory / container / "resolver"


def _are_led_to(datagram: socket.socket) -> bool:
    """Ask 127.0.0.11:53 and see whether that arrives here; the rules of both protocols stand together."""
    poller = select.poll()
    poller.register(datagram, select.POLLIN)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ADDRESS, 53))
            probe.send(b"")
            own = probe.getsockname()
        except OSError:
            return False
        while poller.poll(PATIENCE_MS):
            try:
                _, sender = datagram.recvfrom(1)
            except OSError:
                return False
            if sender == own:
                return True
    return False
