"""The sets and maps of the table `linkspan`, and their elements as values, text and netlink bytes; pure.

Everything that a fact wants is an element: the rules (see table.py) look it up and never change. A key is the
concatenation of its fields, each padded to four bytes, as the kernel holds it.

Source: Linux include/uapi/linux/netfilter/nf_tables.h; padding as nft does it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import NamedTuple

TABLE = "linkspan"
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_NAMES = {number: name for name, number in PROTOCOLS.items()}
_WIDTHS = {"ifname": 16, "ipv4_addr": 4, "ipv6_addr": 16, "inet_proto": 4, "inet_service": 4, "verdict": 4}
_KEY, _DATA, _FLAGS, _KEY_END = 1, 2, 3, 10
_VALUE, _VERDICT, _VERDICT_CODE = 1, 2, 1
_NESTED = 0x8000
_INTERVAL_END = struct.pack("=HHI", 8, _FLAGS, 1 << 24)
_HEADER = struct.Struct("=HH")
_LARGEST = 60_000
"""Bytes of elements in one message: an attribute's length has 16 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Set:
    """A set, or with `data` a map, of the table of `family`; `about` is the comment that `nft list` shows.

    With `interval` every element is a range from `key` to `end`.
    """

    family: int
    name: str
    key: tuple[str, ...]
    about: str
    data: tuple[str, ...] = ()
    interval: bool = False
    counter: bool = False

    @property
    def kind(self) -> str:
        """Return what nft calls it."""
        return "map" if self.data else "set"

    def specification(self) -> str:
        """Return the declaration in nft's words, from the brace on."""
        types = " . ".join(self.key) + (f" : {' . '.join(self.data)}" if self.data else "")
        extra = " flags interval;" if self.interval else ""
        extra += " counter;" if self.counter else ""
        return f'{{ type {types};{extra} comment "{self.about}"; }}'


class Element(NamedTuple):
    """One element; `end` is empty for a single value, `data` for a set."""

    of: Set
    key: bytes
    end: bytes = b""
    data: bytes = b""

    def text(self) -> str:
        """Return the element in nft's words, as "ports { 10.0.0.5 . tcp . 80 : 172.17.0.2 . 80 }"."""
        low, high = _fields(self.of.key, self.key), _fields(self.of.key, self.end or self.key)
        shown = " . ".join(a if a == b else f"{a}-{b}" for a, b in zip(low, high, strict=True))
        if self.data:
            shown += f" : {' . '.join(_fields(self.of.data, self.data))}"
        return f"{self.of.name} {{ {shown} }}"

    def wire(self) -> bytes:
        """Return the element as a netlink attribute; a range over one field is two of them."""
        if not self.end and self.of.data != ("verdict",):
            head, middle = _frame(len(self.key), len(self.data))
            return head + self.key + middle + self.data
        key = _nest(_KEY, _plain(_VALUE, self.key))
        if not self.end or len(self.of.key) > 1:
            last = _nest(_KEY_END, _plain(_VALUE, self.end)) if self.end else b""
            return _nest(1, key + last + self._wired_data())
        after = int.from_bytes(self.end) + 1
        start = _nest(1, key + self._wired_data())
        if after >> 8 * len(self.end):
            return start
        beyond = _nest(_KEY, _plain(_VALUE, after.to_bytes(len(self.end))))
        return start + _nest(1, _INTERVAL_END + beyond)

    def _wired_data(self) -> bytes:
        if not self.data:
            return b""
        if self.of.data == ("verdict",):
            return _nest(_DATA, _nest(_VERDICT, _plain(_VERDICT_CODE, self.data)))
        return _nest(_DATA, _plain(_VALUE, self.data))


def interface(name: str) -> bytes:
    """Return a link's name as a field; ValueError when it is longer than the kernel's 15 bytes."""
    encoded = name.encode()
    if len(encoded) > 15:
        raise ValueError(f'the link name "{name}" is longer than 15 bytes')
    return encoded.ljust(16, b"\0")


def batches(elements: Iterable[Element]) -> list[tuple[Set, list[Element], bytes]]:
    """Return the elements sorted by set and cut into messages' worth, with their wire form."""
    by_set: dict[Set, list[Element]] = {}
    for element in elements:
        by_set.setdefault(element.of, []).append(element)
    return [(of, some, payload) for of, members in by_set.items() for some, payload in _cut(members)]


def _cut(members: Sequence[Element]) -> Iterable[tuple[list[Element], bytes]]:
    wires = [element.wire() for element in members]
    step = max(_LARGEST // max(len(wire) for wire in wires), 1)
    for start in range(0, len(members), step):
        yield list(members[start : start + step]), b"".join(wires[start : start + step])


@cache
def _frame(key: int, data: int) -> tuple[bytes, bytes]:
    """Return what stands before a key and before its data, of these lengths: the same in every element."""
    inside = _nest(_KEY, _plain(_VALUE, bytes(key)))
    if data:
        inside += _nest(_DATA, _plain(_VALUE, bytes(data)))
    whole = _nest(1, inside)
    head = len(whole) - len(inside) + 2 * _HEADER.size
    return whole[:head], whole[head + key : len(whole) - data]


def _plain(kind: int, payload: bytes) -> bytes:
    return _HEADER.pack(4 + len(payload), kind) + payload


def _nest(kind: int, payload: bytes) -> bytes:
    return _HEADER.pack(4 + len(payload), kind | _NESTED) + payload


def _fields(types: Sequence[str], value: bytes) -> list[str]:
    texts, offset = [], 0
    for kind in types:
        texts.append(_field(kind, value[offset : offset + _WIDTHS[kind]]))
        offset += _WIDTHS[kind]
    return texts


def _field(kind: str, value: bytes) -> str:
    if kind == "ifname":
        return '"' + value.rstrip(b"\0").decode() + '"'
    if kind in ("ipv4_addr", "ipv6_addr"):
        return str(ip_address(value))
    if kind == "inet_proto":
        return _NAMES.get(value[0], str(value[0]))
    if kind == "verdict":
        return "accept" if value[3] else "drop"
    return str(int.from_bytes(value[:2]))
