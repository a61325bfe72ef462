"""Shaping: a token bucket on a link, so that what leaves by it keeps to a rate.

Sources: rtnetlink(7), tc-tbf(8), Linux include/uapi/linux/pkt_sched.h.
"""

from __future__ import annotations

import struct

from linkspan.kernel import wire
from linkspan.kernel.wire import Netlink

_NEW, _DELETE = 36, 37
_HEADER = struct.Struct("=BxxxiIII")  # struct tcmsg
_ROOT = 0xFFFFFFFF
_HANDLE = 1 << 16
_KIND, _OPTIONS = 1, 2
_PARMS, _RATE64, _BURST = 1, 4, 6
_RATE = struct.Struct("=BBHhHI")  # struct tc_ratespec
_ETHERNET = 1
_QUEUE = 0.05
"""Seconds of traffic that may wait for their turn; what comes beyond that is dropped."""
_LEAST_BURST = 16 * 1024
_BURST_TIME = 0.01


def request(index: int, rate: int) -> bytes:
    """Return the body of RTM_NEWQDISC for a token bucket of `rate` bits per second on the link `index`."""
    bytes_per_second = rate // 8
    burst = max(_LEAST_BURST, int(bytes_per_second * _BURST_TIME))
    limit = burst + int(bytes_per_second * _QUEUE)
    spec = _RATE.pack(0, _ETHERNET, 0, 0, 0, min(bytes_per_second, 0xFFFFFFFF))
    parameters = spec + bytes(_RATE.size) + struct.pack("=III", limit, 0, 0)
    return (
        _HEADER.pack(0, index, _HANDLE, _ROOT, 0)
        + wire.text(_KIND, "tbf")
        + wire.nested(
            _OPTIONS,
            wire.attribute(_PARMS, parameters),
            wire.attribute(_RATE64, struct.pack("=Q", bytes_per_second)),
            wire.u32(_BURST, burst),
        )
    )


def shape(netlink: Netlink, index: int, rate: int) -> None:
    """Keep what leaves by the link `index` to `rate` bits per second; raises NetlinkError."""
    netlink.request(_NEW, wire.CREATE | wire.REPLACE, request(index, rate))


def unshape(netlink: Netlink, index: int) -> None:
    """Let the link `index` go at its own speed again; raises NetlinkError ENOENT if it did."""
    netlink.request(_DELETE, 0, _HEADER.pack(0, index, _HANDLE, _ROOT, 0))
