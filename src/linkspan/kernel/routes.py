"""Routes over rtnetlink. Source: rtnetlink(7), Linux include/uapi/linux/rtnetlink.h."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from linkspan.kernel import wire
from linkspan.kernel.wire import Attributes, Netlink
from linkspan.model.addresses import Address, Subnet

_NEW, _DELETE, _GET = 24, 25, 26
_HEADER = struct.Struct("=BBBBBBBBI")
_DESTINATION, _LINK, _GATEWAY, _SOURCE, _TABLE = 1, 4, 5, 7, 15
_MAIN, _BOOT, _UNICAST = 254, 3, 1
_EVERYWHERE, _ON_LINK, _NOWHERE = 0, 253, 255
_PROTOCOL_AT, _SCOPE_AT = 5, 6
_BY_ADVERTISEMENT = 9
_BITS = {4: 32, 6: 128}
_ANY: dict[int, Subnet] = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}


@dataclass(frozen=True, slots=True)
class RouteState:
    """A route as the kernel holds it; `link` is an interface index, 0 for none, `protocol` who made it."""

    destination: Subnet
    gateway: Address | None
    source: Address | None
    link: int
    table: int
    protocol: int = 0


def _family(version: int) -> int:
    return socket.AF_INET if version == 4 else socket.AF_INET6


def route_request(index: int, destination: Subnet | None, gateway: Address | None) -> bytes:
    """Return the body of RTM_NEWROUTE or RTM_DELROUTE for the main table.

    Raises ValueError when neither a destination nor a gateway says which family is meant.
    """
    known = destination or gateway
    if known is None:
        raise ValueError("a route needs a destination or a gateway")
    length = destination.prefixlen if destination is not None else 0
    scope = _ON_LINK if gateway is None and known.version == 4 else _EVERYWHERE
    body = _HEADER.pack(_family(known.version), length, 0, 0, _MAIN, _BOOT, scope, _UNICAST, 0)
    if destination is not None and length:
        body += wire.attribute(_DESTINATION, destination.network_address.packed)
    if gateway is not None:
        body += wire.attribute(_GATEWAY, gateway.packed)
    return body + wire.u32(_LINK, index)


def add(netlink: Netlink, index: int, destination: Subnet | None, gateway: Address | None) -> None:
    """Add a route over the link `index`; no destination means the default route. Raises NetlinkError."""
    netlink.request(_NEW, wire.CREATE | wire.EXCL, route_request(index, destination, gateway))


def remove(netlink: Netlink, index: int, destination: Subnet | None, gateway: Address | None) -> None:
    """Remove a route; raises NetlinkError, ESRCH if there is no such route."""
    body = bytearray(route_request(index, destination, gateway))
    body[_PROTOCOL_AT], body[_SCOPE_AT] = 0, _NOWHERE  # whoever made it
    netlink.request(_DELETE, 0, bytes(body))


def dump(netlink: Netlink) -> list[RouteState]:
    """Return the routes of every table and both families."""
    return [route(body) for _, body in netlink.dump(_GET, bytes(_HEADER.size))]


def subnets_in_use(netlink: Netlink) -> list[Subnet]:
    """Return every prefix that some route of some table leads to, without duplicates.

    Default routes are left out, and the halves of the address space that VPNs use in their place.
    """
    found = (route.destination for route in dump(netlink) if route.destination.prefixlen > 1)
    return list(dict.fromkeys(found))


def uplink(netlink: Netlink) -> int:
    """Return the index of the link with the default route of the main table, IPv4 first; 0 if none."""
    found = [r for r in dump(netlink) if r.destination.prefixlen == 0 and r.table == _MAIN and r.link]
    found.sort(key=lambda route: route.destination.version)
    return found[0].link if found else 0


def advertised(netlink: Netlink) -> list[int]:
    """Return the indexes of the links whose routers told of themselves (RFC 4861), without duplicates."""
    found = (r.link for r in dump(netlink) if r.protocol == _BY_ADVERTISEMENT and r.destination.version == 6)
    return list(dict.fromkeys(found))


def get(netlink: Netlink, destination: Address) -> RouteState:
    """Return the way that a packet to `destination` would take; raises NetlinkError, ENETUNREACH if none."""
    bits = _BITS[destination.version]
    body = _HEADER.pack(_family(destination.version), bits, 0, 0, 0, 0, 0, 0, 0)
    answers = netlink.request(_GET, 0, body + wire.attribute(_DESTINATION, destination.packed))
    return route(answers[0][1])


def route(body: bytes) -> RouteState:
    """Return the route that the body of an RTM_NEWROUTE message carries."""
    family, length, _, _, table, protocol, *_ = _HEADER.unpack_from(body)
    version = 4 if family == socket.AF_INET else 6
    found = wire.parse(body, _HEADER.size)
    destination = _ANY[version]
    if _DESTINATION in found:
        destination = ip_network((found[_DESTINATION], length))
    return RouteState(
        destination=destination,
        gateway=ip_address(found[_GATEWAY]) if _GATEWAY in found else None,
        source=ip_address(found[_SOURCE]) if _SOURCE in found else None,
        link=_number(found, _LINK, 0),
        table=_number(found, _TABLE, table),
        protocol=protocol,
    )


def _number(found: Attributes, kind: int, missing: int) -> int:
    return int(struct.unpack("=I", found[kind])[0]) if kind in found else missing
