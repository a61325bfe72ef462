"""The proxy's side of the control socket: requests of the daemon, answered one by one."""

from __future__ import annotations

import _socket
import os
import sys
from collections.abc import Callable

from linkspan.path.proxy.doors import Doors
from linkspan.path.proxy.loop import Loop
from linkspan.path.proxy.wire import (
    DESCRIPTORS_PER_MESSAGE,
    MESSAGE_SIZE,
    Entry,
    decode,
    encode,
    page,
)

LOOK_INTERVAL = 3.0  # seconds, only while no daemon is connected
SPACE = _socket.CMSG_SPACE(4 * DESCRIPTORS_PER_MESSAGE)


class Control:
    """Accepts control connections and carries out their requests.

    The process lives as long as it holds a port or a daemon is connected: when both have gone, it ends, so
    that neither a daemon stopped cleanly nor one that died leaves an idle process behind. It ends as well
    when no daemon is connected and none can find it any more (`reachable` is false: its name was removed).
    """

    def __init__(
        self, loop: Loop, doors: Doors, listener: _socket.socket, reachable: Callable[[], bool]
    ) -> None:
        self._loop = loop
        self._doors = doors
        self._listener = listener
        self._reachable = reachable
        self._connections: dict[int, _socket.socket] = {}
        loop.watch(listener.fileno(), self._on_daemon)
        loop.alarm(self._look_around, loop.now + LOOK_INTERVAL)  # the daemon may die before it connects

    def _on_daemon(self, _mask: int) -> None:
        try:
            descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return  # it went away again, or descriptors have run out: it stays in the queue
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, descriptor)
        self._connections[descriptor] = connection
        # Requests close sockets: after the turn, when no event of a closed descriptor can be left.
        self._loop.watch(descriptor, lambda _mask: self._loop.after(lambda: self._serve(connection)))

    def _serve(self, connection: _socket.socket) -> None:
        if connection.fileno() not in self._connections:
            return
        try:
            message, ancillary, _flags, _ = connection.recvmsg(MESSAGE_SIZE, SPACE, _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            message, ancillary = b"", []
        if not message:
            self._drop(connection)
            return
        answer, lent = self._answer(message, _descriptors(ancillary))
        rights = b"".join(descriptor.to_bytes(4, sys.byteorder) for descriptor in lent)
        beside = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if rights else []
        try:
            connection.sendmsg([answer], beside, _socket.MSG_DONTWAIT)
        except OSError:
            self._drop(connection)  # it asks and does not read

    def _drop(self, connection: _socket.socket) -> None:
        self._connections.pop(connection.fileno())
        self._loop.forget(connection.fileno())
        connection.close()
        if not self._connections:
            self._loop.running = bool(self._doors) and self._loop.running
            self._loop.alarm(self._look_around, self._loop.now + LOOK_INTERVAL)

    def _look_around(self, now: float) -> float:
        if self._connections:
            return 0
        if not self._doors or not self._reachable():
            self._doors.close_all()
            self._loop.running = False
        return now + LOOK_INTERVAL

    def _answer(self, message: bytes, descriptors: list[int]) -> tuple[bytes, list[int]]:
        """Return the answer, and the sockets that go with it."""
        try:
            verb, entries = decode(message)
            if verb.startswith(("lend relay ", "lend hold ")):
                return self._lend(verb.startswith("lend relay "), int(verb.split()[2]))
            return self._perform(verb, entries, descriptors), []
        except (ValueError, OSError) as error:
            for descriptor in descriptors:
                os.close(descriptor)
            return encode(f"error {error}", []), []

    def _perform(self, verb: str, entries: list[Entry], descriptors: list[int]) -> bytes:
        if verb in ("add relay", "add hold"):
            self._doors.add(entries, descriptors, relay=verb == "add relay")
            return encode("ok", [])
        if verb == "close":
            self._doors.close(entries)
            return encode("ok", [])
        if verb.startswith("list "):
            return self._list(int(verb[5:]))
        if verb == "pid":
            return encode(f"ok {os.getpid()}", [])
        if verb == "quit":
            self._doors.close_all()
            self._loop.running = False
            return encode("ok", [])
        raise ValueError(f"unknown request: {verb}")

    def _list(self, offset: int) -> bytes:
        return _page(self._doors.listed(), offset)[0]

    def _lend(self, relay: bool, offset: int) -> tuple[bytes, list[int]]:
        answer, shown = _page(self._doors.lent(relay), offset)
        return answer, self._doors.descriptors(shown)


def _page(entries: list[Entry], offset: int) -> tuple[bytes, list[Entry]]:
    shown = page(entries, offset)
    end = offset + len(shown)
    return encode(f"ok {end if end < len(entries) else 0}", shown), shown


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    result: list[int] = []
    for level, kind, data in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            result += memoryview(data[: len(data) // 4 * 4]).cast("i").tolist()
    return result
