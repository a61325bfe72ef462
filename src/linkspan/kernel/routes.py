"""Routes by rtnetlink. Source: rtnetlink(7)."""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from linkspan.blueprint.parts import Route
from linkspan.kernel.addresses import family_of
from linkspan.kernel.links import index_of
from linkspan.kernel.wire import CREATE, EXCL, Netlink, NetlinkError, attribute, parse, u32
from linkspan.model.addresses import Address, Subnet

NEW, DELETE, GET = 24, 25, 26

_MESSAGE = struct.Struct("=BBBBBBBBI")
_DESTINATION, _OUT, _GATEWAY, _TABLE = 1, 4, 5, 15
_MAIN, _LOCAL_TABLE = 254, 255
_PROTO_BOOT, _PROTO_STATIC = 3, 4
_UNICAST = 1
_SCOPE_GLOBAL, _SCOPE_LINK = 0, 253
_ANY_PROTO, _NOWHERE = 0, 255


@dataclass(frozen=True, slots=True)
class RouteState:
    """A route as the kernel holds it; `destination` has prefix length 0 for a default route."""

    destination: Subnet
    gateway: Address | None
    link: int
    table: int
    kind: int


def _body(route: Route, index: int, protocol: int, scope: int) -> bytes:
    destination, gateway = route.destination, route.gateway
    version = (
        gateway.version if gateway is not None else destination.version if destination is not None else 4
    )
    length = destination.prefixlen if destination is not None else 0
    body = _MESSAGE.pack(family_of(version), length, 0, 0, _MAIN, protocol, scope, _UNICAST, 0)
    if destination is not None and length:
        body += attribute(_DESTINATION, destination.network_address.packed)
    if gateway is not None:
        body += attribute(_GATEWAY, gateway.packed)
    return body + u32(_OUT, index)


def add(netlink: Netlink, route: Route) -> None:
    """Add a route to the main table; NetlinkError EEXIST when there is one like it."""
    scope = _SCOPE_GLOBAL if route.gateway is not None else _SCOPE_LINK
    body = _body(route, index_of(netlink, route.link), _PROTO_BOOT, scope)
    netlink.request(NEW, CREATE | EXCL, body)


def delete(netlink: Netlink, route: Route) -> None:
    """Delete a route; a missing one is no error."""
    try:
        netlink.request(DELETE, 0, _body(route, index_of(netlink, route.link), _ANY_PROTO, _NOWHERE))
    except NetlinkError as error:
        if error.errno not in (errno.ENODEV, errno.ESRCH):
            raise


def dump(netlink: Netlink) -> list[RouteState]:
    """Return the routes of all tables and both families."""
    return [
        _decode(body)
        for version in (4, 6)
        for kind, body in netlink.dump(GET, _MESSAGE.pack(family_of(version), 0, 0, 0, 0, 0, 0, 0, 0))
        if kind == NEW
    ]


def _decode(body: bytes) -> RouteState:
    family, length, _, _, table, _, _, kind, _ = _MESSAGE.unpack_from(body)
    found = parse(body, _MESSAGE.size)
    packed = found.get(_DESTINATION, bytes(4 if family == family_of(4) else 16))
    gateway = found.get(_GATEWAY)
    (wide,) = struct.unpack("=I", found[_TABLE]) if _TABLE in found else (table,)
    (link,) = struct.unpack("=i", found[_OUT]) if _OUT in found else (0,)
    return RouteState(
        destination=ip_network((packed, length)),
        gateway=ip_address(gateway) if gateway else None,
        link=link,
        table=wide,
        kind=kind,
    )


def subnets(netlink: Netlink) -> list[Subnet]:
    """Return the destinations of all unicast routes but the default ones, without duplicates."""
    found = (
        route.destination
        for route in dump(netlink)
        if route.destination.prefixlen and route.kind == _UNICAST and route.table != _LOCAL_TABLE
    )
    return list(dict.fromkeys(found))
