"""The daemon's duplicates of the proxy's host sockets: they keep the ports ours while there is no proxy.

They wait as unread messages in sockets of the daemon's own, so that netstat and ss name the proxy alone as
who listens, and the daemon needs one descriptor for up to 253 ports. Source: unix(7), SCM_RIGHTS: a
descriptor on its way holds its file open.
"""

from __future__ import annotations

import array
import fcntl
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from linkspan.path.proxy.wire import DESCRIPTORS_PER_MESSAGE, Entry, batches, singles

LOW = 1024  # libnftables' select() takes only descriptors below: they are left to others where possible

Key = tuple[str, str, int]  # protocol, host address, host port


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """The sockets of `entries`, one for each port, unread in `mailbox`; `verb` is how the proxy gets them."""

    verb: str
    entries: tuple[Entry, ...]
    mailbox: socket.socket


class Keeper:
    """Holds one duplicate for each host port; not thread-safe.

    A duplicate keeps a socket bound and listening: while no process accepts, connects wait in its queue.
    """

    def __init__(self) -> None:
        self._parcels: dict[Parcel, None] = {}
        self._by_port: dict[Key, Parcel] = {}

    def __len__(self) -> int:
        return len(self._by_port)

    def keep(self, verb: str, entries: Sequence[Entry], descriptors: Sequence[int]) -> None:
        """Own `descriptors`, one for each port of `entries`; `verb` is how the proxy is given them.

        Raises OSError when the daemon has no descriptor left; `descriptors` are closed in any case.
        """
        try:
            rest = list(descriptors)
            for batch in batches(list(entries)):
                ports = [port for entry in batch for port in singles(entry)]
                parcel = Parcel(verb, tuple(batch), _posted(rest[: len(ports)]))
                rest = rest[len(ports) :]
                self._parcels[parcel] = None
                self._by_port.update((port[:3], parcel) for port in ports)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def drop(self, entries: Sequence[Entry]) -> None:
        """Close what is kept for the ports of `entries`; unknown ones are fine."""
        gone = {port[:3] for entry in entries for port in singles(entry)} & self._by_port.keys()
        for parcel in {self._by_port[key]: None for key in gone}:
            ports = [port for entry in parcel.entries for port in singles(entry)]
            left = [number for number, port in enumerate(ports) if port[:3] not in gone]
            descriptors = _waiting(parcel.mailbox) if left else []
            parcel.mailbox.close()
            del self._parcels[parcel]
            for port in ports:
                del self._by_port[port[:3]]
            if left:
                for number in set(range(len(ports))) - set(left):
                    os.close(descriptors[number])
                self.keep(parcel.verb, [ports[n] for n in left], [descriptors[n] for n in left])

    def messages(self) -> Iterator[tuple[str, list[Entry], list[int]]]:
        """Yield verb, entries and descriptors of the messages that give everything to a new proxy.

        The descriptors are good until the next message is asked for.
        """
        for parcel in list(self._parcels):
            descriptors = _waiting(parcel.mailbox)
            try:
                yield parcel.verb, list(parcel.entries), descriptors
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    def close(self) -> None:
        """Close everything."""
        for parcel in self._parcels:
            parcel.mailbox.close()
        self._parcels.clear()
        self._by_port.clear()


def _posted(descriptors: list[int]) -> socket.socket:
    """Return a socket with one unread message that carries `descriptors`, under a high number if possible."""
    receiving, sending = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with sending:
        socket.send_fds(sending, [b"."], descriptors)
    try:
        high = fcntl.fcntl(receiving.fileno(), fcntl.F_DUPFD_CLOEXEC, LOW)
    except OSError:
        return receiving  # the limit of open files is not above LOW, or is reached
    receiving.close()
    return socket.socket(fileno=high)


def _waiting(mailbox: socket.socket) -> list[int]:
    """Return new descriptors of what waits in a mailbox, and leave it there."""
    size = socket.CMSG_SPACE(DESCRIPTORS_PER_MESSAGE * 4)
    _, ancillary, _, _ = mailbox.recvmsg(1, size, socket.MSG_PEEK | socket.MSG_CMSG_CLOEXEC)
    found = array.array("i")
    for _, _, data in ancillary:
        found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)
