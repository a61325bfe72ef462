"""What the kernel tells of changes to links, addresses, routes and rules, whoever made them.

Sources: rtnetlink(7), Linux include/uapi/linux/rtnetlink.h and netfilter/nf_tables.h. Only what may mean a
loss is passed on: something removed, set down or switched off, and routes that come. Rules of iptables-legacy
are changed without a word of the kernel's; those of iptables-nft and nftables are told.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from enum import StrEnum

from linkspan.kernel import wire
from linkspan.kernel.wire import NETLINK_NETFILTER, NETLINK_ROUTE

_LINK, _ADDRESS4, _ROUTE4, _ADDRESS6, _ROUTE6, _SETTINGS4 = 1, 5, 7, 9, 11, 24
_RULES = 7
_ADD_MEMBERSHIP = 1
_SOL_NETLINK = 270
_BUFFER = 1 << 20
_RECEIVE = 1 << 16
_NEW_LINK, _DELETE_LINK, _DELETE_ADDRESS, _NEW_ROUTE, _NEW_SETTINGS = 16, 17, 21, 24, 80
_NF_TABLES = 10 << 8
_DELETIONS = {_NF_TABLES | number for number in (2, 5, 8, 11, 14)}
_UP = 0x1
_IFINDEX, _FORWARDING, _ALL_LINKS = 1, 2, -1
_NETCONF = 4  # bytes of struct netconfmsg, padded


class Change(StrEnum):
    """What may have been lost, or come in the way."""

    LINKS = "links"
    ADDRESSES = "addresses"
    ROUTES = "routes"
    RULES = "rules"
    FORWARDING = "forwarding"


class Notices:
    """Listens in the network namespace that the calling thread is in; for one thread at a time."""

    def __init__(self) -> None:
        """Begin to listen. Raises OSError; where the kernel has no nf_tables, links are listened to alone."""
        self._sockets = [_listening(NETLINK_ROUTE, _LINK, _ADDRESS4, _ROUTE4, _ADDRESS6, _ROUTE6, _SETTINGS4)]
        try:
            self._sockets.append(_listening(NETLINK_NETFILTER, _RULES))
        except OSError as error:
            if error.errno not in (errno.EPROTONOSUPPORT, errno.ENOENT, errno.EINVAL):
                self.close()
                raise

    def descriptors(self) -> list[int]:
        """Return what to poll for reading."""
        return [each.fileno() for each in self._sockets]

    def read(self) -> set[Change]:
        """Return what has been told since the last time, without waiting; all if some of it was lost."""
        return {change for each in self._sockets for change in _heard(each)}

    def close(self) -> None:
        """Listen no longer."""
        for each in self._sockets:
            each.close()


def _listening(protocol: int, *groups: int) -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    listening = socket.socket(socket.AF_NETLINK, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listening.bind((0, 0))
        for group in groups:
            listening.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, struct.pack("=I", group))
    except OSError:
        listening.close()
        raise
    return listening


def _heard(listening: socket.socket) -> Iterator[Change]:
    while True:
        try:
            datagram = os.read(listening.fileno(), _RECEIVE)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            yield from Change
            continue
        yield from losses(datagram)


def losses(datagram: bytes) -> Iterator[Change]:
    """Yield what the notifications in `datagram` may mean; one that was cut off means nothing."""
    try:
        for kind, _, _, body in wire.split(datagram):
            if kind == _DELETE_LINK or (kind == _NEW_LINK and not _is_up(body)):
                yield Change.LINKS
            elif kind == _DELETE_ADDRESS:
                yield Change.ADDRESSES
            elif kind == _NEW_ROUTE:
                yield Change.ROUTES
            elif kind in _DELETIONS:
                yield Change.RULES
            elif kind == _NEW_SETTINGS and _forwards_no_more(body):
                yield Change.FORWARDING
    except ValueError:  # a rule longer than our buffer
        yield Change.RULES


def _is_up(body: bytes) -> bool:
    (flags,) = struct.unpack_from("=I", body, 8)
    return bool(flags & _UP)


def _forwards_no_more(body: bytes) -> bool:
    """Tell whether a netconf message says that forwarding was switched off for all links."""
    found = wire.parse(body, _NETCONF)
    values = [struct.unpack("=i", found[key])[0] for key in (_IFINDEX, _FORWARDING) if key in found]
    return values == [_ALL_LINKS, 0]
