"""The connection to the kernel's nf_tables: whole transactions, and dumps of what stands.

Source: Linux include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h. A transaction is one system call, in
which the kernel does all of it or nothing. The socket is kept open: closing it after a deletion waits 5-13 ms
for the kernel to free what was deleted.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from linkspan.firewall.render.elements import TABLE, Element, batches
from linkspan.kernel import wire
from linkspan.kernel.wire import ACK, CREATE, NETLINK_NETFILTER, REQUEST, Netlink, NetlinkError

_SUBSYSTEM = 10 << 8
_BATCH_BEGIN, _BATCH_END, _ERROR = 16, 17, 2
NEW_TABLE, GET_TABLE, DEL_TABLE = 0, 1, 2
NEW_CHAIN, GET_CHAIN, DEL_CHAIN = 3, 4, 5
NEW_RULE, GET_RULE, DEL_RULE = 6, 7, 8
GET_SET, DEL_SET = 10, 11
NEW_ELEMENT, GET_ELEMENT, DEL_ELEMENT = 12, 13, 14
GET_GENERATION = 16
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6, 1: 1, 0: 0}
"""Numbers of netfilter's families: ip, ip6, inet, and all of them."""

_SEND_BUFFER_FORCE = 32
_ROOM = 256 << 20
_ACK_TLVS = 0x200
_NAME, _SECOND_NAME, _ELEMENTS = 1, 2, 3
_CHAIN_NAME = 3
_KEY, _KEY_END, _VALUE = 1, 10, 1
_OFFSET = 2


@dataclass(frozen=True, slots=True)
class Step:
    """One message of a transaction; `elements` are those that it carries."""

    kind: int
    family: int
    attributes: bytes
    flags: int = 0
    elements: tuple[Element, ...] = ()


class Refused(Exception):
    """A transaction that the kernel refused, as a whole; `element` is the culprit if it was one."""

    def __init__(self, error: NetlinkError, element: Element | None = None) -> None:
        super().__init__(str(error))
        self.number = error.errno or errno.EINVAL
        self.reason = error.strerror or "refused"
        self.element = element


class NfTables(Netlink):
    """nf_tables of the network namespace that the calling thread is in. Not for two threads at once."""

    def __init__(self) -> None:
        super().__init__(NETLINK_NETFILTER)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SEND_BUFFER_FORCE, _ROOM)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)

    def generation(self) -> int:
        """Return the number of the rule set's generation: each transaction of anybody adds one.

        Raises NetlinkError where the kernel has no nf_tables.
        """
        answers = self.request(_SUBSYSTEM | GET_GENERATION, 0, _header(0))
        return int.from_bytes(wire.parse(answers[0][1], 4)[1])

    def commit(self, steps: Sequence[Step]) -> None:
        """Do all `steps` or none; Refused then."""
        if not steps:
            return
        sequences = [self._next() for _ in range(len(steps) + 2)]
        begin = wire.message(_BATCH_BEGIN, REQUEST, sequences[0], _header(0, 10))
        middle = []
        for step, sequence in zip(steps, sequences[1:], strict=False):
            flags = step.flags | REQUEST | (ACK if step is steps[-1] else 0)
            body = _header(step.family) + step.attributes
            middle.append(wire.message(_SUBSYSTEM | step.kind, flags, sequence, body))
        end = wire.message(_BATCH_END, REQUEST, sequences[-1], _header(0, 10))
        self._socket.send(b"".join([begin, *middle, end]))
        self._outcome(steps, sequences)

    def _outcome(self, steps: Sequence[Step], sequences: Sequence[int]) -> None:
        """Read until the last step is answered for; what failed is told before that, or of the beginning."""
        refused: Refused | None = None
        while True:
            for kind, flags, sequence, body in wire.split(self._receive()):
                if kind != _ERROR or sequence not in sequences[:-1]:
                    continue
                place = sequence - sequences[0]
                if (error := wire.error_in(flags, body)) is not None and refused is None:
                    refused = Refused(error, _culprit(steps[place - 1], flags, body) if place else None)
                if place == len(steps) or (place == 0 and refused):
                    if refused is not None:
                        raise refused
                    return

    def dumped(self, kind: int, family: int, *attributes: bytes) -> list[tuple[int, wire.Attributes]]:
        """Return (netfilter's family, attributes) of each object; none if the table or set is not there."""
        try:
            answers = self.dump(_SUBSYSTEM | kind, _header(family) + b"".join(attributes))
        except FileNotFoundError:
            return []
        return [(body[0], wire.parse(body, 4)) for _, body in answers]

    def keys(self, family: int, name: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, end) of each element of a set of ours."""
        for _, found in self.dumped(GET_ELEMENT, family, _text(_NAME, TABLE), _text(_SECOND_NAME, name)):
            yield from keys(found.get(_ELEMENTS, b""))


def additions(elements: Sequence[Element]) -> list[Step]:
    """Return the steps that add `elements`; those that are there already are left."""
    return _element_steps(NEW_ELEMENT, elements, CREATE)


def deletions(elements: Sequence[Element]) -> list[Step]:
    """Return the steps that delete `elements`; the kernel refuses when one is not there."""
    return _element_steps(DEL_ELEMENT, elements, 0)


def emptied(family: int, name: str) -> Step:
    """Return the step that deletes all elements of a set."""
    return Step(DEL_ELEMENT, family, _text(_NAME, TABLE) + _text(_SECOND_NAME, name))


def without_table(family: int) -> Step:
    """Return the step that deletes our table with all that is in it."""
    return Step(DEL_TABLE, family, _text(_NAME, TABLE))


def without(kind: int, family: int, name: str) -> Step:
    """Return the step that deletes the set (DEL_SET), the chain (DEL_CHAIN) or a chain's rules (DEL_RULE)."""
    return Step(
        kind, family, _text(_NAME, TABLE) + _text(_CHAIN_NAME if kind == DEL_CHAIN else _SECOND_NAME, name)
    )


def named(name: str, second: str = "") -> bytes:
    """Return the attributes that ask for a table, or for the rules of the chain `second` in it."""
    return _text(_NAME, name) + (_text(_SECOND_NAME, second) if second else b"")


def _element_steps(kind: int, elements: Sequence[Element], flags: int) -> list[Step]:
    return [
        Step(
            kind,
            of.family,
            _text(_NAME, TABLE) + _text(_SECOND_NAME, of.name) + wire.nested(_ELEMENTS, payload),
            flags,
            tuple(some),
        )
        for of, some, payload in batches(elements)
    ]


def _culprit(step: Step, flags: int, body: bytes) -> Element | None:
    """Return the element at which the kernel's error points."""
    if not step.elements:
        return None
    start = 4 + 16
    found = wire.parse(body, start).get(_OFFSET) if flags & _ACK_TLVS else None
    if found is None:
        return step.elements[0] if len(step.elements) == 1 else None
    (offset,) = struct.unpack("=I", found)
    at = 16 + 4 + len(step.attributes) - sum(len(element.wire()) for element in step.elements)
    for element in step.elements:
        at += len(element.wire())
        if offset < at:
            return element
    return None


def keys(elements: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, end) of each element in a message's worth of them; ValueError for one that does not fit."""
    offset = 0
    while offset + 4 <= len(elements):
        length, _ = struct.unpack_from("=HH", elements, offset)
        if length < 4:
            raise ValueError(f"an element of {length} bytes does not fit")
        found = wire.parse(elements[offset + 4 : offset + length])
        ends = [wire.parse(found[part])[_VALUE] if part in found else b"" for part in (_KEY, _KEY_END)]
        yield ends[0], ends[1]
        offset += (length + 3) & ~3


def _header(family: int, resource: int = 0) -> bytes:
    return struct.pack("!BBH", _FAMILIES[family], 0, resource)


def _text(kind: int, value: str) -> bytes:
    return wire.text(kind, value)
