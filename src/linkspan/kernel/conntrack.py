"""Connection tracking entries are deleted by address or port, in the kernel, without listing them.

Source: Linux net/netfilter/nf_conntrack_netlink.c (CTA_FILTER, since 5.8).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from linkspan.kernel.addresses import family_of
from linkspan.kernel.wire import NETLINK_NETFILTER, Netlink, attribute, nested, u32
from linkspan.model.addresses import Address

_DELETE = (1 << 8) | 2
_GENERIC = struct.Struct("!BBH")
_ORIGINAL, _REPLY, _FILTER = 1, 2, 25
_IP, _PROTOCOL = 1, 2
_PROTOCOL_NUMBER, _DESTINATION_PORT = 1, 3
_BY_SOURCE, _BY_DESTINATION, _BY_PROTOCOL, _BY_DESTINATION_PORT = 1 << 0, 1 << 1, 1 << 3, 1 << 5
_UDP = 17


def _address(address: Address, source: bool) -> bytes:
    kind = (1 if source else 2) if address.version == 4 else (3 if source else 4)
    return nested(_IP, attribute(kind, address.packed))


def _deletion(version: int, direction: int, flags: int, tuple_parts: bytes) -> bytes:
    original, reply = (flags, 0) if direction == _ORIGINAL else (0, flags)
    return (
        _GENERIC.pack(family_of(version), 0, 0)
        + nested(direction, tuple_parts)
        + nested(_FILTER, u32(1, original), u32(2, reply))
    )


def deletions(addresses: Iterable[Address], udp_ports: Iterable[tuple[Address, int]]) -> list[bytes]:
    """Return the requests that delete every flow to, from or translated to `addresses`, and to `udp_ports`.

    An unspecified address of a UDP port stands for every address of its family.
    """
    found = []
    for address in addresses:
        found.append(_deletion(address.version, _ORIGINAL, _BY_SOURCE, _address(address, True)))
        found.append(_deletion(address.version, _ORIGINAL, _BY_DESTINATION, _address(address, False)))
        found.append(_deletion(address.version, _REPLY, _BY_SOURCE, _address(address, True)))
    for address, port in udp_ports:
        found.append(_udp_deletion(address, port))
    return found


def _udp_deletion(address: Address, port: int) -> bytes:
    protocol = nested(
        _PROTOCOL,
        attribute(_PROTOCOL_NUMBER, bytes([_UDP])),
        attribute(_DESTINATION_PORT, struct.pack("!H", port)),
    )
    flags = _BY_PROTOCOL | _BY_DESTINATION_PORT
    if address.is_unspecified:
        return _deletion(address.version, _ORIGINAL, flags, protocol)
    return _deletion(address.version, _ORIGINAL, flags | _BY_DESTINATION, _address(address, False) + protocol)


def flush(netlink: Netlink, addresses: Iterable[Address], udp_ports: Iterable[tuple[Address, int]]) -> None:
    """Delete the flows; `netlink` is a socket of NETLINK_NETFILTER. Raises NetlinkError."""
    for body in deletions(addresses, udp_ports):
        netlink.request(_DELETE, 0, body)


def open_socket() -> Netlink:
    """Open a socket for `flush` in the calling thread's namespace."""
    return Netlink(NETLINK_NETFILTER)
