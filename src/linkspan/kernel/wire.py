"""Netlink on the wire: messages and attributes as bytes, and a socket that asks, dumps and reports errors.

Sources: RFC 3549, Linux include/uapi/linux/netlink.h. Integers are in the host's byte order.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

REQUEST, MULTI, ACK = 0x1, 0x2, 0x4
REPLACE, EXCL, CREATE, APPEND = 0x100, 0x200, 0x400, 0x800
DUMP = 0x300

_DUMP_INTERRUPTED = 0x10
_NOOP, _ERROR, _DONE = 1, 2, 3
_CAPPED, _ACK_TLVS = 0x100, 0x200
_SOL_NETLINK, _CAP_ACK, _EXT_ACK, _STRICT = 270, 10, 11, 12
NESTED = 0x8000
_TYPE_MASK = 0x3FFF
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_BUFFER = 1 << 20
_RECEIVE = 1 << 16
_CHUNK = 50
_LARGEST_ERROR = 4095  # MAX_ERRNO, include/linux/err.h
_PATIENCE = struct.pack("ll", 10, 0)

Message = tuple[int, bytes]
Attributes = dict[int, bytes]


class NetlinkError(OSError):
    """The kernel's refusal: `errno` is its number, the text its extended acknowledgement if any."""

    def __init__(self, number: int, text: str = "") -> None:
        super().__init__(number, text or os.strerror(number))


def attribute(kind: int, payload: bytes) -> bytes:
    """Return one attribute, padded to four bytes."""
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + bytes(-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Return an attribute that holds `attributes`."""
    return attribute(kind | NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """Return an attribute with a NUL-terminated string."""
    return attribute(kind, value.encode() + b"\0")


def u32(kind: int, value: int) -> bytes:
    """Return an attribute with an unsigned 32-bit integer."""
    return attribute(kind, struct.pack("=I", value))


def u8(kind: int, value: int) -> bytes:
    """Return an attribute with one octet."""
    return attribute(kind, bytes((value,)))


def parse(data: bytes, offset: int = 0) -> Attributes:
    """Return the attributes in `data` from `offset`; the flags are taken off their kinds.

    Raises ValueError for an attribute that does not fit.
    """
    found: Attributes = {}
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            raise ValueError(f"netlink attribute {kind & _TYPE_MASK} of {length} bytes does not fit")
        found[kind & _TYPE_MASK] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """Return a whole netlink message."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body


def split(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield (type, flags, sequence, body) of the messages in a datagram; ValueError when one is cut."""
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(datagram, offset)
        if length < _HEADER.size or offset + length > len(datagram):
            raise ValueError(f"netlink message of {length} bytes does not fit")
        yield kind, flags, sequence, datagram[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def error_in(flags: int, body: bytes) -> NetlinkError | None:
    """Return the error that an NLMSG_ERROR message reports, None for a mere acknowledgement.

    Raises ValueError for a number that is no error's.
    """
    (number,) = struct.unpack_from("=i", body)
    if number == 0:
        return None
    if not -_LARGEST_ERROR <= number < 0:
        raise ValueError(f"netlink error {number} is no error")
    return NetlinkError(-number, _extended(flags, body))


def _refusal(kind: int, flags: int, body: bytes) -> NetlinkError | None:
    """Return the error of a final message; NLMSG_DONE of a failed dump carries one as well."""
    if kind == _DONE and len(body) < 4:
        return None
    return error_in(flags & ~_ACK_TLVS if kind == _DONE else flags, body)


def _extended(flags: int, body: bytes) -> str:
    if not flags & _ACK_TLVS:
        return ""
    (request_length,) = struct.unpack_from("=I", body, 4)
    start = 4 + (_HEADER.size if flags & _CAPPED else (request_length + 3) & ~3)
    return parse(body, start).get(1, b"").rstrip(b"\0").decode(errors="replace")


class Netlink:
    """A netlink socket of the network namespace the calling thread is in. Not for two threads at once."""

    def __init__(self, protocol: int = NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        for option in (_CAP_ACK, _EXT_ACK, _STRICT):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PATIENCE)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def request(self, kind: int, flags: int, body: bytes) -> list[Message]:
        """Send one request and wait for its acknowledgement; returns what came before it.

        Raises NetlinkError. The kernel works inside send(): some deletions block there for 20 ms.
        """
        sequence = self._send(kind, flags | REQUEST | ACK, body)
        return list(self._answers(sequence))

    def dump(self, kind: int, body: bytes) -> list[Message]:
        """Return every object of a dump; a dump that a concurrent change interrupted is begun again."""
        while True:
            sequence = self._send(kind, REQUEST | DUMP, body)
            try:
                return list(self._answers(sequence))
            except InterruptedError:
                continue

    def batch(self, kind: int, flags: int, bodies: Sequence[bytes]) -> list[NetlinkError | None]:
        """Send many requests of one type, some dozens in each system call; returns the outcome of each.

        The kernel goes on after a failed one. Chunks keep the acknowledgements within the receive buffer.
        """
        outcomes: list[NetlinkError | None] = []
        for start in range(0, len(bodies), _CHUNK):
            outcomes += self._chunk(kind, flags | REQUEST | ACK, bodies[start : start + _CHUNK])
        return outcomes

    def _chunk(self, kind: int, flags: int, bodies: Sequence[bytes]) -> list[NetlinkError | None]:
        sequences = [self._next() for _ in bodies]
        requests = (
            message(kind, flags, sequence, body + bytes(-len(body) % 4))
            for sequence, body in zip(sequences, bodies, strict=True)
        )
        self._socket.send(b"".join(requests))
        outcomes: dict[int, NetlinkError | None] = {}
        while len(outcomes) < len(sequences):
            for got, got_flags, sequence, payload in split(self._receive()):
                if got == _ERROR and sequence in sequences:
                    outcomes[sequence] = error_in(got_flags, payload)
        return [outcomes[sequence] for sequence in sequences]

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        return self._sequence

    def _send(self, kind: int, flags: int, body: bytes) -> int:
        sequence = self._next()
        self._socket.send(message(kind, flags, sequence, body))
        return sequence

    def _receive(self) -> bytes:
        """Return the next datagram; the kernel has answered already when send() returns."""
        try:
            return self._socket.recv(_RECEIVE)
        except BlockingIOError:
            raise TimeoutError(errno.ETIMEDOUT, "the kernel gave no answer") from None

    def _answers(self, sequence: int) -> Iterator[Message]:
        interrupted = False
        while True:
            for got, flags, got_sequence, payload in split(self._receive()):
                if got_sequence != sequence or got == _NOOP:
                    continue
                interrupted = interrupted or bool(flags & _DUMP_INTERRUPTED)
                if got not in (_ERROR, _DONE):
                    yield got, payload
                    continue
                if (error := _refusal(got, flags, payload)) is not None:
                    raise error
                if interrupted:
                    raise InterruptedError(errno.EINTR, "the dump was interrupted by a change")
                return
