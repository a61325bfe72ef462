"""Unsolicited ARP and neighbour advertisements: a new interface tells its neighbours its MAC address.

A neighbour that remembers an address from the container that had it before would send to the old MAC until
its entry expires. Sources: RFC 5227 (ARP announcement), RFC 4861 section 7.2.6; Docker 28 sends three.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from linkspan.blueprint.announcements import Announcement

_ARP, _REQUEST = 0x0806, 1
_ADVERTISEMENT, _OVERRIDE, _TARGET_LINK_ADDRESS = 136, 0x20000000, 2
_ALL_NODES = "ff02::1"
_HOP_LIMIT = 255  # RFC 4861: others are dropped, for they came through a router
log = logging.getLogger(__name__)


def arp_frame(mac: str, address: IPv4Address) -> bytes:
    """Return an Ethernet frame with an ARP announcement: a broadcast request for the sender's own address."""
    own = bytes.fromhex(mac.replace(":", ""))
    ethernet = b"\xff" * 6 + own + struct.pack("!H", _ARP)
    return (
        ethernet
        + struct.pack("!HHBBH", 1, 0x0800, 6, 4, _REQUEST)
        + own
        + address.packed
        + bytes(6)
        + address.packed
    )


def advertisement(mac: str, address: IPv6Address) -> bytes:
    """Return an ICMPv6 neighbour advertisement with the override flag; the kernel fills in the checksum."""
    option = struct.pack("!BB", _TARGET_LINK_ADDRESS, 1) + bytes.fromhex(mac.replace(":", ""))
    return struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, _OVERRIDE) + address.packed + option


def send(announcement: Announcement) -> None:
    """Send one message for each address, from the namespace of the calling thread; raises OSError."""
    for address in announcement.addresses:
        if isinstance(address, IPv4Address):
            _send_arp(announcement.link, arp_frame(announcement.mac, address))
        else:
            _send_advertisement(announcement.link, address, advertisement(announcement.mac, address))


def _send_arp(link: str, frame: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as packet:
        packet.bind((link, 0))
        packet.send(frame)


def _send_advertisement(link: str, address: IPv6Address, message: bytes) -> None:
    index = socket.if_nametoindex(link)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as icmp:
        icmp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOP_LIMIT)
        icmp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        icmp.bind((str(address), 0, 0, index))
        icmp.sendto(message, (_ALL_NODES, 0, 0, index))


class Announcer:
    """Sends announcements from a thread of its own, so that nobody waits for them.

    No socket stays open in a sandbox in between: it would keep the namespace of a container that has gone.
    """

    def __init__(self, visit: Callable[[str, Callable[[], None]], None]) -> None:
        """`visit(path, function)` runs a function inside the namespace at a path."""
        self._visit = visit
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Announcement]] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    def announce(self, announcements: Sequence[Announcement]) -> None:
        """Send the first message of each at once, from the thread, and the others when they are due."""
        wanted = [one for one in announcements if one.count > 0 and one.addresses]
        if not wanted:
            return
        now = time.monotonic()
        with self._changed:
            for one in wanted:
                heapq.heappush(self._due, (now, next(self._order), one))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="announcer", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """End the thread; what is not sent yet never will be."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while (one := self._next()) is not None:
            try:
                self._visit(one.sandbox, lambda one=one: send(one))  # type: ignore[misc]
            except OSError as error:  # the container has gone meanwhile, or the link was renamed
                log.debug("announcing %s of %s: %s", one.link, one.sandbox, error)
                continue
            if one.count > 1:
                self._put_off(replace(one, count=one.count - 1))

    def _put_off(self, one: Announcement) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + one.interval, next(self._order), one))

    def _next(self) -> Announcement | None:
        """Return the next one when it is due, None when there is no more work to do."""
        with self._changed:
            while not self._closed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
        return None
