"""Links on top of another link: macvlan, ipvlan and VLANs, made over rtnetlink.

Sources: rtnetlink(7), Linux include/uapi/linux/if_link.h, drivers/net/macvlan.c, drivers/net/ipvlan.
"""

from __future__ import annotations

import errno
import struct

from linkspan.blueprint.parts import SubLink
from linkspan.kernel import wire
from linkspan.kernel.wire import Netlink, NetlinkError

_NEW, _SET = 16, 19
_HEADER = struct.Struct("=BxHiII")
_UP = 0x1
_ADDRESS, _NAME, _MTU, _LINK, _LINKINFO, _ALIAS, _NETNS_FD = 1, 3, 4, 5, 18, 20, 28
_INFO_KIND, _INFO_DATA = 1, 2
_MODE, _FLAGS, _VLAN_ID = 1, 2, 1

MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}
_WORD = struct.Struct("=H")


def request(link: SubLink, namespace: int, parent: int) -> bytes:
    """Return the body of RTM_NEWLINK for `link`, made in the namespace of a descriptor, up at once.

    `parent` is the index of the parent, which is in the namespace of the socket.
    """
    body = _HEADER.pack(0, 0, 0, _UP, _UP) + wire.text(_NAME, link.name) + wire.u32(_LINK, parent)
    if link.mac:
        body += wire.attribute(_ADDRESS, bytes.fromhex(link.mac.replace(":", "")))
    if link.mtu:
        body += wire.u32(_MTU, link.mtu)
    data = wire.nested(_INFO_DATA, *_data(link))
    return body + wire.u32(_NETNS_FD, namespace) + _information(link.kind, data)


def _information(kind: str, data: bytes = b"") -> bytes:
    return wire.nested(_LINKINFO, wire.text(_INFO_KIND, kind), data)


def _data(link: SubLink) -> tuple[bytes, ...]:
    if link.kind == "macvlan":
        return (wire.u32(_MODE, MACVLAN_MODES[link.mode or "bridge"]),)
    if link.kind == "ipvlan":
        mode, flag = IPVLAN_MODES[link.mode or "l2"], IPVLAN_FLAGS[link.flag or "bridge"]
        return wire.attribute(_MODE, _WORD.pack(mode)), wire.attribute(_FLAGS, _WORD.pack(flag))
    return (wire.attribute(_VLAN_ID, _WORD.pack(int(link.mode))),)


def create(netlink: Netlink, link: SubLink, namespace: int, parent: int) -> None:
    """Make a link; raises NetlinkError, EOPNOTSUPP when the kernel does not know its kind."""
    netlink.request(_NEW, wire.CREATE | wire.EXCL, request(link, namespace, parent))


def finish(netlink: Netlink, link: SubLink) -> None:
    """Mark a new link with its owner; raises NetlinkError."""
    if link.owner:
        mark = wire.attribute(_ALIAS, link.owner.encode())
        netlink.request(_SET, 0, _HEADER.pack(0, 0, 0, 0, 0) + wire.text(_NAME, link.name) + mark)


def is_known(netlink: Netlink, kind: str) -> bool:
    """Tell whether the kernel can make links of `kind`: without a parent it refuses only what it knows."""
    try:
        netlink.request(_NEW, wire.CREATE | wire.EXCL, _HEADER.pack(0, 0, 0, 0, 0) + _information(kind))
    except NetlinkError as error:
        return error.errno != errno.EOPNOTSUPP
    return True
