"""Addresses of links by rtnetlink. Source: rtnetlink(7)."""

from __future__ import annotations

import errno
import struct
from ipaddress import IPv4Interface, ip_interface

from linkspan.kernel.links import index_of
from linkspan.kernel.wire import CREATE, EXCL, Netlink, NetlinkError, attribute, parse, u32
from linkspan.model.addresses import Interface

NEW, DELETE, GET = 20, 21, 22

_MESSAGE = struct.Struct("=BBBBi")
_ADDRESS, _LOCAL, _BROADCAST, _FLAGS = 1, 2, 4, 8
_NODAD = 0x02
_AF_INET, _AF_INET6 = 2, 10
_SCOPE_LINK = 253


def family_of(version: int) -> int:
    """Return the address family of an IP version."""
    return _AF_INET if version == 4 else _AF_INET6


def _body(interface: Interface, index: int) -> bytes:
    packed = interface.ip.packed
    scope = _SCOPE_LINK if interface.ip.is_link_local else 0
    body = _MESSAGE.pack(family_of(interface.version), interface.network.prefixlen, 0, scope, index)
    body += attribute(_LOCAL, packed) + attribute(_ADDRESS, packed)
    if isinstance(interface, IPv4Interface):
        if interface.network.prefixlen < 31:
            body += attribute(_BROADCAST, interface.network.broadcast_address.packed)
        return body
    return body + u32(_FLAGS, _NODAD)


def add(netlink: Netlink, link: str, interface: Interface) -> None:
    """Put an address on a link; IPv6 without duplicate detection. NetlinkError EEXIST when it is there."""
    netlink.request(NEW, CREATE | EXCL, _body(interface, index_of(netlink, link)))


def delete(netlink: Netlink, link: str, interface: Interface) -> None:
    """Take an address off a link; a missing link or address is no error."""
    try:
        netlink.request(DELETE, 0, _body(interface, index_of(netlink, link)))
    except NetlinkError as error:
        if error.errno not in (errno.ENODEV, errno.EADDRNOTAVAIL):
            raise


def dump(netlink: Netlink) -> list[tuple[int, Interface]]:
    """Return (link index, address) of every address of both families."""
    found: list[tuple[int, Interface]] = []
    for kind, body in netlink.dump(GET, _MESSAGE.pack(0, 0, 0, 0, 0)):
        if kind != NEW:
            continue
        _, length, _, _, index = _MESSAGE.unpack_from(body)
        attributes = parse(body, _MESSAGE.size)
        packed = attributes.get(_LOCAL) or attributes[_ADDRESS]
        found.append((index, ip_interface((packed, length))))
    return found
