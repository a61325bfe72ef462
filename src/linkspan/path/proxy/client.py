"""The daemon's handle on the proxy process: reserve host ports, hand them over, take them back."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from linkspan.blueprint.listeners import Listener
from linkspan.model.errors import Unavailable
from linkspan.path.proxy import sockets, spawn
from linkspan.path.proxy.deathwatch import DeathWatch
from linkspan.path.proxy.keeper import Keeper
from linkspan.path.proxy.sockets import AddressInUse, Reservation
from linkspan.path.proxy.translation import nameless, to_entries, to_listeners
from linkspan.path.proxy.wire import (
    DESCRIPTORS_PER_MESSAGE,
    ENTRIES_PER_MESSAGE,
    MESSAGE_SIZE,
    Entry,
    batches,
    decode,
    encode,
    merged,
)

__all__ = ["AddressInUse", "ProxyClient", "Reservation"]

log = logging.getLogger(__name__)

PATIENCE = 15.0  # seconds: the process answers in well under a millisecond, also when the machine is busy

STEADY = 10.0  # seconds of life after which a death is no sign of the next one
LONGEST_PAUSE = 5.0  # seconds between two attempts to start a process that does not stay


class ProxyClient:
    """Holds the host ports of all containers in one process, `linkspan-proxy`.

    Thread-safe; every call blocks until the process has done it. The process is started in the network
    namespace of the thread that first needs it, lives on when the daemon dies, and is found again by a later
    ProxyClient with the same `control` path. It ends by itself when it holds nothing and nobody is connected.
    When it dies it is started again at once: this client keeps duplicates of its sockets, so that the ports
    stay ours, and new connections wait in their queues until they are served.

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
        self._kept = Keeper()
        self._watch: DeathWatch | None = None
        self._deaths = 0  # one soon after the other

    def reserve(self, listeners: Sequence[Listener], absent: bool = False) -> Reservation:
        """Bind every port of `listeners` in the calling thread's netns, or none; nothing is accepted yet.

        With `absent`, addresses that the host does not have (yet) are bound as well.

        Raises AddressInUse for a port that another program has, OSError (its text names the port) for others.
        """
        return sockets.reserve(listeners, not self._userland_proxy, absent)

    def serve(self, reservation: Reservation) -> None:
        """Let packets in and hand the sockets over to the process; this client keeps the caller's copies.

        Raises Unavailable when the process cannot be started or refuses, AddressInUse when another program
        was first to listen: then the reservation is to be released.
        """
        verb = "add hold" if reservation.hold_only else "add relay"
        entries = to_entries(reservation.listeners)
        descriptors = [held.fileno() for held in reservation.sockets]
        reservation.open()
        with self._lock:
            try:
                self._hand_over(verb, entries, descriptors)
            except BaseException:
                self._tell("close", nameless(entries))
                raise
            self._kept.keep(verb, entries, [held.detach() for held in reservation.sockets])
        reservation.close()

    def release(self, reservation: Reservation) -> None:
        """Free the ports of a reservation that was not served; harmless on one that was."""
        reservation.close()

    def close(self, listeners: Sequence[Listener]) -> None:
        """Free the ports of `listeners` and end their sessions before this returns; unknown ones are fine."""
        entries = nameless(to_entries(listeners))
        with self._lock:
            self._kept.drop(entries)
            self._tell("close", entries)

    def listeners(self) -> list[Listener]:
        """Return what the running process holds, runs of ports joined; empty when there is no process."""
        with self._lock:
            return to_listeners(merged(self._listed()))

    def pid(self) -> int:
        """Return the process id of the running proxy, 0 if there is none."""
        with self._lock:
            with contextlib.suppress(ConnectionError):
                if connection := self._connected(start=False):
                    return self._pid_of(connection)
            return 0

    def disconnect(self) -> None:
        """Leave the process to itself (live-restore): it goes on as long as it holds ports."""
        with self._lock:
            self._part()
            self._forget_connection()

    def shutdown(self) -> None:
        """Free every port and end the process; it is gone when this returns."""
        with self._lock:
            self._part()
            if connection := self._connected(start=False):
                self._part()
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
            try:
                if not (connection := self._connected(start=False)):
                    return
                self._request(connection, encode(verb, entries[start : start + ENTRIES_PER_MESSAGE]))
            except ConnectionError:
                return  # it has ended, and with it all that it held

    def _listed(self) -> list[Entry]:
        result: list[Entry] = []
        following = 0
        while True:
            try:
                if not (connection := self._connected(start=False)):
                    return result
                verb, entries = self._request(connection, encode(f"list {following}", []))
            except ConnectionError:
                return []
            result += entries
            following = int(verb.split()[1])
            if not following:
                return result

    def _ask(self, message: bytes, descriptors: list[int]) -> None:
        """Send a request with descriptors, starting the process if there is none or it ended just now."""
        for last_try in (False, True):
            try:
                connection = self._connected(start=True)
                assert connection
                self._request(connection, message, descriptors)
                return
            except ConnectionError as error:
                if last_try:
                    raise Unavailable(f"the proxy process does not stay alive: {error}") from error

    def _request(
        self,
        connection: socket.socket,
        message: bytes,
        descriptors: Sequence[int] = (),
        received: list[int] | None = None,
    ) -> tuple[str, list[Entry]]:
        try:
            socket.send_fds(connection, [message], list(descriptors))
            answer, rights, _, _ = socket.recv_fds(
                connection, MESSAGE_SIZE, DESCRIPTORS_PER_MESSAGE, socket.MSG_CMSG_CLOEXEC
            )
        except TimeoutError as error:
            self._forget_connection()
            raise Unavailable(f"the proxy process does not answer within {PATIENCE:.0f} s") from error
        except OSError:
            self._forget_connection()
            raise
        if not answer:
            self._forget_connection()
            raise ConnectionResetError("it closed the connection")
        if received is not None:
            received += rights
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
            with contextlib.suppress(ConnectionError):  # it is just ending
                self._meet(self._connection)
        if not self._connection and (start or self._kept):
            self._connection = self._started()
        return self._connection

    def _started(self) -> socket.socket:
        """Start a process, give it what the one before it had, and return the connection to it."""
        self._reap()
        self._child = spawn.start(self._control, self._log)
        self._connection = connection = self._dialled()
        if not connection:
            raise Unavailable(f"the proxy process does not listen on {self._control}")
        self._watch_over(self._child)
        for verb, entries, descriptors in self._kept.messages():
            self._request(connection, encode(verb, entries), descriptors)
        return connection

    def _meet(self, connection: socket.socket | None) -> None:
        """Watch over a process that was there before this client, and have duplicates of its sockets."""
        if not connection:
            return
        pid = self._pid_of(connection)
        if self._watch and self._watch.pid == pid:
            return
        self._kept.close()
        try:
            self._watch_over(pid)
            for kind in ("relay", "hold"):
                self._borrow(connection, kind)
        except (Unavailable, ProcessLookupError) as error:
            log.warning("ports of the running proxy would not outlive a crash of it: %s", error)

    def _borrow(self, connection: socket.socket, kind: str) -> None:
        following = 0
        while True:
            received: list[int] = []
            verb, entries = self._request(connection, encode(f"lend {kind} {following}", []), (), received)
            self._kept.keep(f"add {kind}", entries, received)
            following = int(verb.split()[1])
            if not following:
                return

    def _pid_of(self, connection: socket.socket) -> int:
        return int(self._request(connection, encode("pid", []))[0].split()[1])

    def _watch_over(self, pid: int) -> None:
        self._unwatch()
        self._watch = DeathWatch(pid, self._on_death)

    def _unwatch(self) -> None:
        if self._watch:
            self._watch.stop()
            self._watch = None

    def _part(self) -> None:
        """Neither watch over the process nor keep its sockets any longer."""
        self._unwatch()
        self._kept.close()

    def _on_death(self, watch: DeathWatch) -> None:
        """Start the process again unless that has happened already; not too often if it does not stay."""
        steady = time.monotonic() - watch.since > STEADY
        self._deaths = 0 if steady else self._deaths + 1
        while True:
            if self._deaths > 1:
                time.sleep(min(LONGEST_PAUSE, 0.05 * 2.0**self._deaths))
            with self._lock:
                if self._watch is not watch or not self._kept:
                    return
                try:
                    self._connected(start=True)
                except (Unavailable, OSError) as error:
                    log.error("the proxy ended, and starting it again fails: %s", error)
                    self._deaths += 1
                    continue
                log.warning(
                    "the proxy (process %d) ended; it was started again and has its %d ports back; "
                    "connections through it were lost",
                    watch.pid,
                    len(self._kept),
                )
                return

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
