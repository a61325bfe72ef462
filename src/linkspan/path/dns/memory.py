"""The ports that a sandbox's rules lead to, kept for the next daemon: writing rules takes two programs."""

from __future__ import annotations

import select
import socket
from pathlib import Path

from linkspan.path.dns.server import ADDRESS, Sockets, open_sockets

PATIENCE_MS = 50  # a datagram to oneself takes microseconds; more is a busy machine, or no rule


class PortMemory:
    """A file for each sandbox in `directory`, with its UDP and its TCP port; blocking."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def remember(self, sandbox: str, sockets: Sockets) -> None:
        """Write down where the rules of the namespace `sandbox` lead; raises OSError."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._file(sandbox).write_text(" ".join(map(str, sockets.ports())))

    def forget(self, sandbox: str) -> None:
        """Remove what is known of a sandbox that goes."""
        self._file(sandbox).unlink(missing_ok=True)

    def reopened(self, sandbox: str) -> Sockets | None:
        """Open the sockets that the rules of the calling thread's namespace lead to already.

        None when they lead elsewhere, or nowhere, or the ports are taken: then new rules must be written.
        """
        try:
            datagram, stream = map(int, self._file(sandbox).read_text().split())
            sockets = open_sockets(datagram, stream)
        except (OSError, ValueError):
            return None
        if _are_led_to(sockets.datagram):
            return sockets
        sockets.close()
        return None

    def _file(self, sandbox: str) -> Path:
        return self._directory / Path(sandbox).name


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
