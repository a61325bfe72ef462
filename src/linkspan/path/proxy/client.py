"""The daemon's handle on the proxy process: reserve host ports, hand them over, take them back."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path

from linkspan.blueprint.listeners import Listener
from linkspan.model.addresses import Address, Subnet
from linkspan.model.errors import Unavailable
from linkspan.path.proxy import sockets, spawn
from linkspan.path.proxy.sockets import AddressInUse, Reservation
from linkspan.path.proxy.wire import ENTRIES_PER_MESSAGE, MESSAGE_SIZE, Entry, batches, decode, encode, merged

__all__ = ["AddressInUse", "ProxyClient", "Reservation"]

PATIENCE = 15.0  # seconds: the process answers in well under a millisecond, also when the machine is busy


class ProxyClient:
    """Holds the host ports of all containers in one process, `linkspan-proxy`.

    Thread-safe; every call blocks until the process has done it. The process is started in the network
    namespace of the thread that first needs it, lives on when the daemon dies, and is found again by a later
    ProxyClient with the same `control` path. It ends by itself when it holds nothing and nobody is connected.

    With `userland_proxy` False the ports are held, so that no other program can take them, but nothing is
    relayed: a TCP connect that no DNAT rule catches is refused (the socket is bound and does not listen),
    a UDP datagram is dropped by the filter that stays on the socket.
    """

    def __init__(self, control: Path, log: Path | None = None, userland_proxy: bool = True) -> None:
        self._control = control
        self._log = log
        self._userland_proxy = userland_proxy
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._child = 0

    def reserve(self, listeners: Sequence[Listener], absent: bool = False) -> Reservation:
        """Bind every port of `listeners` in the calling thread's netns, or none; nothing is accepted yet.

        With `absent`, addresses that the host does not have (yet) are bound as well.

        Raises AddressInUse for a port that another program has, OSError (its text names the port) for others.
        """
        return sockets.reserve(listeners, not self._userland_proxy, absent)

    def serve(self, reservation: Reservation) -> None:
        """Let packets in and hand the sockets over to the process; the caller's copies are closed.

        Raises Unavailable when the process cannot be started or refuses, AddressInUse when another program
        was first to listen: then the reservation is to be released.
        """
        verb = "add hold" if reservation.hold_only else "add relay"
        entries = _entries(reservation.listeners)
        descriptors = [held.fileno() for held in reservation.sockets]
        reservation.open()
        with self._lock:
            try:
                self._hand_over(verb, entries, descriptors)
            except BaseException:
                self._tell("close", _nameless(entries))
                raise
        reservation.close()

    def release(self, reservation: Reservation) -> None:
        """Free the ports of a reservation that was not served; harmless on one that was."""
        reservation.close()

    def close(self, listeners: Sequence[Listener]) -> None:
        """Free the ports of `listeners` and end their sessions before this returns; unknown ones are fine."""
        with self._lock:
            self._tell("close", _nameless(_entries(listeners)))

    def listeners(self) -> list[Listener]:
        """Return what the running process holds, runs of ports joined; empty when there is no process."""
        with self._lock:
            return _listeners(merged(self._listed()))

    def pid(self) -> int:
        """Return the process id of the running proxy, 0 if there is none."""
        with self._lock:
            connection = self._connected(start=False)
            if not connection:
                return 0
            with contextlib.suppress(ConnectionError):
                return int(self._request(connection, encode("pid", []))[0].split()[1])
            return 0

    def disconnect(self) -> None:
        """Leave the process to itself (live-restore): it goes on as long as it holds ports."""
        with self._lock:
            self._forget_connection()

    def shutdown(self) -> None:
        """Free every port and end the process; it is gone when this returns."""
        with self._lock:
            connection = self._connected(start=False)
            if connection:
                with contextlib.suppress(ConnectionError):
                    self._request(connection, encode("quit", []))
                    while connection.recv(1):
                        continue
            self._forget_connection()
            self._reap(block=True)

    def _hand_over(self, verb: str, entries: list[Entry], descriptors: list[int]) -> None:
        for batch in batches(entries):
            count = sum(entry[5] for entry in batch)
            self._ask(encode(verb, batch), descriptors[:count])
            descriptors = descriptors[count:]

    def _tell(self, verb: str, entries: list[Entry]) -> None:
        """Say `verb` about `entries` if there is a process; if there is none, there is nothing to close."""
        for start in range(0, len(entries), ENTRIES_PER_MESSAGE):
            connection = self._connected(start=False)
            if not connection:
                return
            try:
                self._request(connection, encode(verb, entries[start : start + ENTRIES_PER_MESSAGE]))
            except ConnectionError:
                return  # it has ended, and with it all that it held

    def _listed(self) -> list[Entry]:
        result: list[Entry] = []
        following = 0
        while connection := self._connected(start=False):
            try:
                verb, entries = self._request(connection, encode(f"list {following}", []))
            except ConnectionError:
                return []
            result += entries
            following = int(verb.split()[1])
            if not following:
                break
        return result

    def _ask(self, message: bytes, descriptors: list[int]) -> None:
        """Send a request with descriptors, starting the process if there is none or it ended just now."""
        for last_try in (False, True):
            connection = self._connected(start=True)
            assert connection
            try:
                self._request(connection, message, descriptors)
                return
            except ConnectionError as error:
                if last_try:
                    raise Unavailable(f"the proxy process does not stay alive: {error}") from error

    def _request(
        self, connection: socket.socket, message: bytes, descriptors: Sequence[int] = ()
    ) -> tuple[str, list[Entry]]:
        try:
            socket.send_fds(connection, [message], list(descriptors))
            answer = connection.recv(MESSAGE_SIZE)
        except TimeoutError as error:
            self._forget_connection()
            raise Unavailable(f"the proxy process does not answer within {PATIENCE:.0f} s") from error
        except OSError:
            self._forget_connection()
            raise
        if not answer:
            self._forget_connection()
            raise ConnectionResetError("it closed the connection")
        verb, entries = decode(answer)
        if not verb.startswith("ok"):
            raise Unavailable(f"the proxy process refuses: {verb}")
        return verb, entries

    def _connected(self, start: bool) -> socket.socket | None:
        """Return a live connection, if there is a process or `start` allows to start one."""
        if self._connection and not _alive(self._connection):
            self._forget_connection()
        if not self._connection:
            self._connection = self._dialled()
        if not self._connection and start:
            self._reap()
            self._child = spawn.start(self._control, self._log)
            self._connection = self._dialled()
            if not self._connection:
                raise Unavailable(f"the proxy process does not listen on {self._control}")
        return self._connection

    def _dialled(self) -> socket.socket | None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made.settimeout(PATIENCE)
        try:
            with spawn.reachable(self._control) as name:
                made.connect(name)
        except (FileNotFoundError, ConnectionRefusedError):
            made.close()
            return None
        except BaseException:
            made.close()
            raise
        return made

    def _forget_connection(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _reap(self, block: bool = False) -> None:
        """Take the exit status of a process that this client started and that has ended."""
        if self._child:
            pid, _ = os.waitpid(self._child, 0 if block else os.WNOHANG)
            if pid:
                self._child = 0


def _alive(connection: socket.socket) -> bool:
    """The process never speaks first: anything to read is the end of the connection."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return not poll.poll(0)


def _entries(listeners: Sequence[Listener]) -> list[Entry]:
    return [
        (
            listener.protocol,
            _text(listener.host_address),
            listener.host_port,
            _text(listener.target_address),
            listener.target_port,
            listener.count,
            ",".join(map(str, listener.sources)),
        )
        for listener in listeners
    ]


def _nameless(entries: list[Entry]) -> list[Entry]:
    """Return entries without their sources: a port is closed for all, and many fit into one message."""
    return [(*entry[:6], "") for entry in entries]


@lru_cache(256)
def _text(address: Address) -> str:
    """A thousand ports have a few addresses, and writing one takes longer than finding it."""
    return str(address)


def _sources(text: str) -> tuple[Subnet, ...]:
    return tuple(map(ip_network, text.split(","))) if text else ()


def _listeners(entries: list[Entry]) -> list[Listener]:
    return [
        Listener(protocol, ip_address(host), port, ip_address(target), target_port, count, _sources(sources))
        for protocol, host, port, target, target_port, count, sources in entries
    ]
