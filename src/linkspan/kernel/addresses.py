"""Addresses of links over rtnetlink. Source: rtnetlink(7), Linux include/uapi/linux/if_addr.h."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address, ip_interface

from linkspan.kernel import wire
from linkspan.kernel.wire import Netlink
from linkspan.model.addresses import Interface

_NEW, _DELETE, _GET = 20, 21, 22
_HEADER = struct.Struct("=BBBBi")
_ADDRESS, _LOCAL, _BROADCAST = 1, 2, 4
_NODAD = 0x02
_ON_LINK = 253


def address_request(index: int, interface: Interface) -> bytes:
    """Return the body of RTM_NEWADDR or RTM_DELADDR.

    As Docker does it: IPv4 with a broadcast address where the prefix has one, IPv6 without duplicate address
    detection, so that it can be used at once.
    """
    flags = _NODAD if interface.version == 6 else 0
    family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
    scope = _ON_LINK if interface.is_link_local else 0
    body = _HEADER.pack(family, interface.network.prefixlen, flags, scope, index)
    body += wire.attribute(_LOCAL, interface.packed) + wire.attribute(_ADDRESS, interface.packed)
    if interface.version == 4 and interface.network.prefixlen < 31:
        body += wire.attribute(_BROADCAST, interface.network.broadcast_address.packed)
    return body


def add(netlink: Netlink, index: int, interface: Interface) -> None:
    """Give an address to the link with that index; raises NetlinkError, EEXIST if it has it already."""
    netlink.request(_NEW, wire.CREATE | wire.EXCL, address_request(index, interface))


def remove(netlink: Netlink, index: int, interface: Interface) -> None:
    """Take an address away; raises NetlinkError, EADDRNOTAVAIL if the link does not have it."""
    netlink.request(_DELETE, 0, address_request(index, interface))


def dump(netlink: Netlink) -> list[tuple[int, Interface]]:
    """Return (index of the link, address with prefix length) of all addresses of the namespace."""
    return [address(body) for _, body in netlink.dump(_GET, _HEADER.pack(0, 0, 0, 0, 0))]


def address(body: bytes) -> tuple[int, Interface]:
    """Return (index of the link, address) that the body of an RTM_NEWADDR message carries."""
    _, length, _, _, index = _HEADER.unpack_from(body)
    found = wire.parse(body, _HEADER.size)
    # Point to point, IFA_ADDRESS is the other end; IPv6 without a peer has no IFA_LOCAL.
    own = found.get(_LOCAL) or found[_ADDRESS]
    return index, ip_interface(f"{ip_address(own)}/{length}")
