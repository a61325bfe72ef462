"""Links by rtnetlink: bridges, veth pairs, their state, their numbers.

A veth pair is made by one message, directly inside its sandbox. Making it on the host and moving it would
wait for an RCU grace period, about 20 ms. Source: rtnetlink(7), Linux include/uapi/linux/if_link.h.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

from linkspan.blueprint.parts import Bridge, VethPair
from linkspan.kernel.wire import (
    CREATE,
    EXCL,
    Attributes,
    Netlink,
    NetlinkError,
    attribute,
    nested,
    parse,
    text,
    u32,
)

NEW, DELETE, GET, SET = 16, 17, 18, 19

_INFO = struct.Struct("=BxHiII")
_UP = 0x1
_AF_BRIDGE = 7
_ADDRESS, _NAME, _MTU, _LINK, _MASTER, _PROTINFO, _LINKINFO, _ALIAS = 1, 3, 4, 5, 10, 12, 18, 20
_STATS64, _NETNS_FD, _NETNSID = 23, 28, 37
_INFO_KIND, _INFO_DATA, _VETH_PEER, _PORT_HAIRPIN = 1, 2, 1, 4
_STATS_FIELDS = struct.Struct("=8Q")


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """What a link has carried, in packets and bytes."""

    rx_packets: int
    tx_packets: int
    rx_bytes: int
    tx_bytes: int
    rx_errors: int
    tx_errors: int
    rx_dropped: int
    tx_dropped: int


@dataclass(frozen=True, slots=True)
class LinkState:
    """A link as the kernel holds it. `master` and `peer` are indices, 0 for none; `netnsid` -1 for none."""

    index: int
    name: str
    kind: str = ""
    mac: str = ""
    mtu: int = 0
    up: bool = False
    master: int = 0
    peer: int = 0
    netnsid: int = -1
    alias: str = ""
    statistics: LinkStatistics | None = None


def _message(*attributes: bytes, index: int = 0, flags: int = 0, family: int = 0) -> bytes:
    return _INFO.pack(family, 0, index, flags, flags) + b"".join(attributes)


def _mac(mac: str) -> bytes:
    return attribute(_ADDRESS, bytes.fromhex(mac.replace(":", ""))) if mac else b""


def get(netlink: Netlink, name: str) -> LinkState | None:
    """Return the link called `name`, or None."""
    try:
        answer = netlink.request(GET, 0, _message(text(_NAME, name)))
    except NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    return _decode(answer[0][1])


def index_of(netlink: Netlink, name: str) -> int:
    """Return the index of the link called `name`; raises NetlinkError ENODEV when there is none."""
    found = get(netlink, name)
    if found is None:
        raise NetlinkError(errno.ENODEV, f"there is no link {name}")
    return found.index


def dump(netlink: Netlink) -> list[LinkState]:
    """Return every link of the socket's namespace."""
    return [_decode(body) for kind, body in netlink.dump(GET, _message()) if kind == NEW]


def _decode(body: bytes) -> LinkState:
    _, _, index, flags, _ = _INFO.unpack_from(body)
    found = parse(body, _INFO.size)
    info = parse(found.get(_LINKINFO, b""))
    return LinkState(
        index=index,
        name=_text(found, _NAME),
        kind=_text(info, _INFO_KIND),
        mac=found.get(_ADDRESS, b"").hex(":"),
        mtu=_number(found, _MTU),
        up=bool(flags & _UP),
        master=_number(found, _MASTER),
        peer=_number(found, _LINK),
        netnsid=_number(found, _NETNSID, -1),
        alias=_text(found, _ALIAS),
        statistics=_statistics(found),
    )


def _text(found: Attributes, kind: int) -> str:
    return found.get(kind, b"").rstrip(b"\0").decode(errors="replace")


def _number(found: Attributes, kind: int, default: int = 0) -> int:
    value = found.get(kind)
    return default if value is None else int(struct.unpack("=i", value)[0])


def _statistics(found: Attributes) -> LinkStatistics | None:
    data = found.get(_STATS64)
    return None if data is None else LinkStatistics(*_STATS_FIELDS.unpack_from(data))


def add_bridge(netlink: Netlink, bridge: Bridge) -> None:
    """Make a bridge and set it up; NetlinkError EEXIST when the name is taken."""
    body = _message(
        text(_NAME, bridge.name),
        u32(_MTU, bridge.mtu),
        _mac(bridge.mac),
        nested(_LINKINFO, attribute(_INFO_KIND, b"bridge")),
        flags=_UP,
    )
    netlink.request(NEW, CREATE | EXCL, body)
    if bridge.owner:
        set_alias(netlink, bridge.name, bridge.owner)


def add_veth(netlink: Netlink, pair: VethPair, sandbox: int) -> None:
    """Make a veth pair from the socket's namespace into that of the descriptor `sandbox`; the host end is up.

    The other end cannot be brought up by the same message: veth refuses until both ends know each other.
    """
    peer = _message(text(_NAME, pair.name), u32(_MTU, pair.mtu), _mac(pair.mac), u32(_NETNS_FD, sandbox))
    body = _message(
        text(_NAME, pair.host_name),
        u32(_MTU, pair.mtu),
        u32(_MASTER, index_of(netlink, pair.bridge)) if pair.bridge else b"",
        nested(_LINKINFO, attribute(_INFO_KIND, b"veth"), nested(_INFO_DATA, attribute(_VETH_PEER, peer))),
        flags=_UP,
    )
    netlink.request(NEW, CREATE | EXCL, body)
    if pair.owner:
        set_alias(netlink, pair.host_name, pair.owner)
    if pair.hairpin:
        set_hairpin(netlink, pair.host_name)


def set_alias(netlink: Netlink, name: str, alias: str) -> None:
    """Write `alias` (IFLA_IFALIAS, at most 255 bytes) on a link."""
    body = _message(attribute(_ALIAS, alias.encode()[:255]), index=index_of(netlink, name))
    netlink.request(SET, 0, body)


def set_hairpin(netlink: Netlink, name: str) -> None:
    """Let frames leave a bridge port by the port they came in."""
    body = _message(
        nested(_PROTINFO, attribute(_PORT_HAIRPIN, b"\1")), index=index_of(netlink, name), family=_AF_BRIDGE
    )
    netlink.request(SET, 0, body)


def set_up(netlink: Netlink, name: str) -> None:
    """Set a link up."""
    netlink.request(SET, 0, _message(index=index_of(netlink, name), flags=_UP))


def delete(netlink: Netlink, name: str) -> None:
    """Delete a link; one that is not there is no error. Blocks about 20 ms (an RCU grace period)."""
    try:
        netlink.request(DELETE, 0, _message(text(_NAME, name)))
    except NetlinkError as error:
        if error.errno != errno.ENODEV:
            raise
