"""Read many datagrams with one system call, send the ready answers with another (recvmmsg(2), sendmmsg(2)).

Answers of one length to one client pass the network stack as one packet that is cut up on arrival
(UDP_SEGMENT, udp(7)); that way is most of what a burst costs. Memory is laid out once for all sockets.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

MESSAGES = 64  # also the most that any kernel cuts one packet into
ROOM = 2048  # bytes for one query, and for one answer sent this way
SEGMENT = 1000  # bytes of an answer that may share a packet: 64 of them are less than a packet can hold
NAME_SIZE = 16  # struct sockaddr_in
WORD = ctypes.sizeof(ctypes.c_size_t)
MSG_DONTWAIT = socket.MSG_DONTWAIT
SOL_UDP, UDP_SEGMENT = 17, 103  # include/uapi/linux/udp.h

Peer = tuple[str, int]
Groups = dict[tuple[int, int], list[bytes]]  # by client and length: ids and what follows them, in turn


class _Piece(ctypes.Structure):  # struct iovec
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):  # struct msghdr
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("pieces", ctypes.c_void_p),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):  # struct mmsghdr
    _fields_ = (("header", _Header), ("length", ctypes.c_uint32))


class _Control(ctypes.Structure):  # struct cmsghdr, its one datum, and what CMSG_SPACE adds
    _fields_ = (
        ("length", ctypes.c_size_t),
        ("level", ctypes.c_int),
        ("kind", ctypes.c_int),
        ("segment", ctypes.c_uint16),
        ("padding", ctypes.c_uint8 * (WORD - 2)),
    )


class _Table:
    """As many messages as fit one call, each with a client's address and a piece of one buffer."""

    def __init__(self) -> None:
        self.buffer = bytearray(MESSAGES * ROOM)
        self.base = _address(self.buffer)
        names, pieces = bytearray(MESSAGES * NAME_SIZE), (_Piece * MESSAGES)()
        self.messages, self.controls = (_Message * MESSAGES)(), (_Control * MESSAGES)()
        for number in range(MESSAGES):
            pieces[number].base, pieces[number].length = self.base + number * ROOM, ROOM
            header, control = self.messages[number].header, self.controls[number]
            header.name, header.name_length = _address(names) + number * NAME_SIZE, NAME_SIZE
            header.pieces, header.piece_count = ctypes.addressof(pieces[number]), 1
            header.control = ctypes.addressof(control)
            control.length, control.level, control.kind = _Control.segment.offset + 2, SOL_UDP, UDP_SEGMENT
        self.lengths = _column(self.messages, "I", _Message.length.offset)
        self.peers = _column(names, "Q", 0, NAME_SIZE)  # family, port and address
        self.starts = _column(pieces, "N", _Piece.base.offset)
        self.sizes = _column(pieces, "N", _Piece.length.offset)
        self.control_lengths = _column(self.messages, "N", _Header.control_length.offset)
        self.segments = _column(self.controls, "H", _Control.segment.offset)


def _address(buffer: bytearray) -> int:
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))


def _column(rows: Any, kind: str, offset: int, row_size: int = 0) -> memoryview:
    """See the field of the kind `kind` at `offset` of each of `rows` as a row of numbers."""
    numbers = memoryview(rows).cast("B").cast(kind)  # type: ignore[call-overload]
    return numbers[offset // numbers.itemsize :: (row_size or ctypes.sizeof(rows[0])) // numbers.itemsize]  # type: ignore[no-any-return]


def can_segment() -> bool:
    """Say whether the kernel cuts datagrams up (Linux 4.18)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(SOL_UDP, UDP_SEGMENT, 0)
        except OSError:
            return False
    return True


class Batch:
    """Room for the datagrams of one call; one for all sockets of an event loop."""

    def __init__(self) -> None:
        # The interpreter's lock is kept: the calls never wait, and another thread would hold us up for 5 ms.
        library: Any = ctypes.PyDLL(None)
        self._receive, self._send = library.recvmmsg, library.sendmmsg
        self._queries, self._answers = _Table(), _Table()
        self._longest_shared = SEGMENT if can_segment() else 0
        # By the length of a query: cuts it into its id and what follows.
        self._cut = [struct.Struct(f"2s{max(0, length - 2)}s").unpack_from for length in range(ROOM + 1)]

    def exchange(
        self,
        descriptor: int,
        ready: dict[bytes, bytes],
        known: Callable[[bytes], bytes | None],
        other: Callable[[bytes, Peer], None],
    ) -> None:
        """Read what is there and answer it.

        `ready` leads a query's bytes after its id to the answer's; `known` is called with those that it has
        not; queries that it knows no answer to go to `other` as they are.
        """
        queries = self._queries
        count = self._receive(descriptor, queries.messages, MESSAGES, MSG_DONTWAIT, None)
        if count <= 0:
            return
        find, cut, buffer, longest = ready.get, self._cut, queries.buffer, self._longest_shared
        groups: Groups = {}
        at = 0
        lengths, peers = queries.lengths[:count].tolist(), queries.peers[:count].tolist()
        for length, peer in zip(lengths, peers, strict=True):
            identity, rest = cut[length](buffer, at)
            answer = find(rest) or known(rest)
            if answer is None or len(answer) > ROOM - 2:
                other(bytes(buffer[at : at + length]), _peer(peer))
            else:
                size = len(answer)
                key = (peer, size if size < longest else -at)
                group = groups.get(key)
                if group:
                    group += (identity, answer)
                else:
                    groups[key] = [identity, answer]
            at += ROOM
        if groups:
            self._flush(descriptor, groups)

    def _flush(self, descriptor: int, groups: Groups) -> None:
        """Send; what the kernel does not take is lost, as any datagram may be: the client asks again."""
        answers = self._answers
        buffer, base, control_size = answers.buffer, answers.base, ctypes.sizeof(_Control)
        at = number = 0
        for (peer, size), parts in groups.items():
            packet = b"".join(parts)
            end = at + len(packet)
            buffer[at:end] = packet
            answers.peers[number], answers.starts[number], answers.sizes[number] = peer, base + at, end - at
            if len(parts) > 2:
                answers.control_lengths[number], answers.segments[number] = control_size, size + 2
            else:
                answers.control_lengths[number] = 0
            at, number = end, number + 1
        sent = 0
        while sent < number:
            rest = ctypes.byref(answers.messages, sent * ctypes.sizeof(_Message))
            sent += max(1, self._send(descriptor, rest, number - sent, MSG_DONTWAIT))


def _peer(number: int) -> Peer:
    name = number.to_bytes(8, sys.byteorder)
    return socket.inet_ntoa(name[4:8]), int.from_bytes(name[2:4], "big")
