"""Links: bridges and veth pairs made, changed, deleted and read over rtnetlink.

Sources: rtnetlink(7), Linux include/uapi/linux/if_link.h.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from linkspan.blueprint.parts import Bridge, VethPair
from linkspan.kernel import wire
from linkspan.kernel.wire import Attributes, Netlink, NetlinkError

_NEW, _DELETE, _GET, _SET = 16, 17, 18, 19
_NEW_ALTNAME, _DELETE_ALTNAME = 108, 109
_HEADER = struct.Struct("=BxHiII")
_UP = 0x1
_AF_BRIDGE = 7

_ADDRESS, _NAME, _MTU, _LINK, _MASTER, _PROTINFO = 1, 3, 4, 5, 10, 12
_TXQLEN, _OPERSTATE, _LINKINFO, _ALIAS, _STATS64 = 13, 16, 18, 20, 23
_GROUP, _NETNS_FD, _EXT_MASK, _LINK_NETNSID, _PROPERTIES, _ALTNAME = 27, 28, 29, 37, 52, 53
_INFO_KIND, _INFO_DATA = 1, 2
_VETH_PEER = 1
_BRPORT_MODE = 4
_SKIP_STATISTICS = 8
_DOOMED_GROUP = 0x6C696E6B
_STATISTICS = struct.Struct("=8Q")


@dataclass(frozen=True, slots=True)
class LinkState:
    """A link as the kernel holds it; `master` and `peer` are interface indexes, 0 for none.

    `up` is the administrative state, `running` says that packets pass. `netnsid` is the kernel's number for
    the namespace of the peer, -1 when that is this one or there is no peer.
    """

    index: int
    name: str
    kind: str = ""
    mac: str = ""
    mtu: int = 0
    master: int = 0
    peer: int = 0
    alias: str = ""
    up: bool = False
    running: bool = False
    netnsid: int = -1


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """The counters of one link since it was made, seen from the link itself."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


def _header(index: int = 0, up: bool | None = None, family: int = 0) -> bytes:
    """Return a struct ifinfomsg; `up` None leaves the flags alone."""
    return _HEADER.pack(family, 0, index, _UP if up else 0, 0 if up is None else _UP)


def _mac(text: str) -> bytes:
    return wire.attribute(_ADDRESS, bytes.fromhex(text.replace(":", ""))) if text else b""


def _kind(name: str, *data: bytes) -> bytes:
    inner = [wire.text(_INFO_KIND, name)]
    if data:
        inner.append(wire.nested(_INFO_DATA, *data))
    return wire.nested(_LINKINFO, *inner)


def bridge_request(bridge: Bridge) -> bytes:
    """Return the body of RTM_NEWLINK for a bridge that is up at once.

    The MTU is not in here: only one that is set afterwards survives the first port (br_mtu_auto_adjust).
    """
    return b"".join(
        (
            _header(up=True),
            wire.text(_NAME, bridge.name),
            _mac(bridge.mac),
            wire.u32(_TXQLEN, 0),
            _kind("bridge"),
        )
    )


def veth_request(pair: VethPair, namespace: int, master: int) -> bytes:
    """Return the body of RTM_NEWLINK for a whole veth pair: names, MAC, MTU, master, the outer end up.

    `namespace` is an open descriptor of the inner end's network namespace. To make the inner end right there
    costs about 0.5 ms; to make it here and move it would cost 20 ms more, an RCU grace period. The inner end
    stays down: veth refuses to open it before both ends know each other.
    """
    size = wire.u32(_MTU, pair.mtu) + wire.u32(_TXQLEN, 0)
    inner = _header() + wire.text(_NAME, pair.name) + _mac(pair.mac) + size + wire.u32(_NETNS_FD, namespace)
    peer = wire.attribute(_VETH_PEER | wire.NESTED, inner)
    outer = _header(up=True) + wire.text(_NAME, pair.host_name) + size
    if master:
        outer += wire.u32(_MASTER, master)
    return outer + _kind("veth", peer)


def create_bridge(netlink: Netlink, bridge: Bridge) -> None:
    """Make a bridge (STP off, no queue) and bring it up; raises NetlinkError, EEXIST if the name is taken."""
    netlink.request(_NEW, wire.CREATE | wire.EXCL, bridge_request(bridge))


def finish_bridge(netlink: Netlink, bridge: Bridge) -> None:
    """Give a new bridge its MTU, and mark it with its owner; raises NetlinkError."""
    mark = wire.attribute(_ALIAS, bridge.owner.encode()) if bridge.owner else b""
    _change(netlink, bridge.name, wire.u32(_MTU, bridge.mtu) + mark)


def create_veth(netlink: Netlink, pair: VethPair, namespace: int, master: int) -> None:
    """Make a veth pair with its inner end in `namespace` (a descriptor), plugged into the link `master`."""
    netlink.request(_NEW, wire.CREATE | wire.EXCL, veth_request(pair, namespace, master))


def finish_veth(netlink: Netlink, pair: VethPair) -> None:
    """Mark the outer end of a new pair with its owner, and set hairpin mode; raises NetlinkError."""
    if pair.owner:
        _change(netlink, pair.host_name, wire.attribute(_ALIAS, pair.owner.encode()))
    if pair.hairpin:
        set_hairpin(netlink, pair.host_name, True)


def _change(netlink: Netlink, name: str, attributes: bytes) -> None:
    netlink.request(_SET, 0, _header() + wire.text(_NAME, name) + attributes)


def set_up(netlink: Netlink, name: str, up: bool = True) -> None:
    """Bring a link up or down; raises NetlinkError."""
    netlink.request(_SET, 0, _header(up=up) + wire.text(_NAME, name))


def set_master(netlink: Netlink, name: str, master: int) -> None:
    """Plug a link into the bridge with index `master`, or unplug it (0); raises NetlinkError."""
    _change(netlink, name, wire.u32(_MASTER, master))


def set_hairpin(netlink: Netlink, name: str, on: bool) -> None:
    """Let a bridge send frames back out of the port `name` they came from; raises NetlinkError."""
    body = _header(index_of(netlink, name), family=_AF_BRIDGE)
    netlink.request(_SET, 0, body + wire.nested(_PROTINFO, wire.u8(_BRPORT_MODE, int(on))))


def rename(netlink: Netlink, name: str, new: str) -> None:
    """Give a link another name; raises NetlinkError, EEXIST if it is taken."""
    netlink.request(_SET, 0, _header(index_of(netlink, name)) + wire.text(_NAME, new))


def move(netlink: Netlink, name: str, namespace: int, new: str) -> None:
    """Move a link into the namespace of a descriptor under the name `new`; raises NetlinkError.

    It comes out down and without addresses. EEXIST when the name is taken there.
    """
    body = _header(index_of(netlink, name)) + wire.u32(_NETNS_FD, namespace) + wire.text(_NAME, new)
    netlink.request(_SET, 0, body)


def set_mac(netlink: Netlink, name: str, mac: str) -> None:
    """Give a link a MAC address; raises NetlinkError."""
    _change(netlink, name, _mac(mac))


def add_altname(netlink: Netlink, name: str, alternative: str) -> None:
    """Give a link one more name, of up to 127 characters; raises NetlinkError."""
    properties = wire.nested(_PROPERTIES, wire.text(_ALTNAME, alternative))
    netlink.request(
        _NEW_ALTNAME,
        wire.CREATE | wire.EXCL | wire.APPEND,
        _header(index_of(netlink, name)) + properties,
    )


def remove_altname(netlink: Netlink, name: str, alternative: str) -> None:
    """Take a further name away from a link; raises NetlinkError."""
    properties = wire.nested(_PROPERTIES, wire.text(_ALTNAME, alternative))
    netlink.request(_DELETE_ALTNAME, 0, _header(index_of(netlink, name)) + properties)


def delete(netlink: Netlink, names: Sequence[str]) -> None:
    """Delete links, in one pass; those that are missing are fine.

    The kernel waits for a grace period in every RTM_DELLINK, about 20 ms, with the lock held that every
    change of a link needs. So the links are put into a group, and that is deleted: 20 links as fast as one.
    Raises NetlinkError, after everything that can be deleted is gone.
    """
    outcomes = _set_group(netlink, names, _DOOMED_GROUP)
    if any(error is None for error in outcomes):
        try:
            netlink.request(_DELETE, 0, _header() + wire.u32(_GROUP, _DOOMED_GROUP))
        except NetlinkError:
            # One that cannot be deleted stops all (EOPNOTSUPP); or a dying namespace was faster (ENODEV).
            outcomes = netlink.batch(_DELETE, 0, [_header() + wire.text(_NAME, name) for name in names])
            _set_group(netlink, names, 0)
    for error in outcomes:
        if error is not None and error.errno != errno.ENODEV:
            raise error


def _set_group(netlink: Netlink, names: Sequence[str], group: int) -> list[NetlinkError | None]:
    bodies = [_header() + wire.text(_NAME, name) + wire.u32(_GROUP, group) for name in names]
    return netlink.batch(_SET, 0, bodies)


def get(netlink: Netlink, name: str) -> LinkState | None:
    """Return a link by its name or another name of it, None if there is no such link."""
    kind = _NAME if len(name) < 16 else _ALTNAME
    body = _header() + wire.text(kind, name) + wire.u32(_EXT_MASK, _SKIP_STATISTICS)
    try:
        answers = netlink.request(_GET, 0, body)
    except NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    return link_state(answers[0][1])


def index_of(netlink: Netlink, name: str) -> int:
    """Return the index of a link; raises NetlinkError ENODEV if there is no such link."""
    link = get(netlink, name)
    if link is None:
        raise NetlinkError(errno.ENODEV, f"there is no link {name}")
    return link.index


def dump(netlink: Netlink) -> list[LinkState]:
    """Return all links of the namespace."""
    body = _header() + wire.u32(_EXT_MASK, _SKIP_STATISTICS)
    return [link_state(answer) for _, answer in netlink.dump(_GET, body)]


def gone(datagram: bytes) -> list[str]:
    """Return the names of the links whose end the notifications in `datagram` tell.

    A bridge tells the end of its ports in the same words, but for the family.
    """
    return [
        _string(wire.parse(body, _HEADER.size), _NAME)
        for kind, _, _, body in wire.split(datagram)
        if kind == _DELETE and body[0] == 0
    ]


def statistics(netlink: Netlink) -> dict[str, LinkStatistics]:
    """Return the counters of all links of the namespace by name."""
    return {link.name: counters for link, counters in counted(netlink)}


def counted(netlink: Netlink) -> list[tuple[LinkState, LinkStatistics]]:
    """Return all links of the namespace with their counters."""
    return [
        (link_state(answer), _counters(wire.parse(answer, _HEADER.size)[_STATS64]))
        for _, answer in netlink.dump(_GET, _header())
    ]


def _counters(data: bytes) -> LinkStatistics:
    rx, tx, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped = _STATISTICS.unpack_from(data)
    return LinkStatistics(rx_bytes, rx, rx_errors, rx_dropped, tx_bytes, tx, tx_errors, tx_dropped)


def link_state(body: bytes) -> LinkState:
    """Return what the body of an RTM_NEWLINK message says."""
    _, _, index, flags, _ = _HEADER.unpack_from(body)
    found = wire.parse(body, _HEADER.size)
    information = wire.parse(found.get(_LINKINFO, b""))
    return LinkState(
        index=index,
        name=_string(found, _NAME),
        kind=_string(information, _INFO_KIND),
        mac=found.get(_ADDRESS, b"").hex(":"),
        mtu=_number(found, _MTU),
        master=_number(found, _MASTER),
        peer=_number(found, _LINK),
        alias=_string(found, _ALIAS),
        up=bool(flags & _UP),
        running=found.get(_OPERSTATE) in (b"\x06", b"\x00"),
        netnsid=_number(found, _LINK_NETNSID, -1),
    )


def _string(attributes: Attributes, kind: int) -> str:
    return attributes.get(kind, b"").rstrip(b"\0").decode(errors="replace")


def _number(attributes: Attributes, kind: int, missing: int = 0) -> int:
    data = attributes.get(kind)
    return missing if data is None else int(struct.unpack_from("=i", data)[0])
