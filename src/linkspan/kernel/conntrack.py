"""Connection tracking: flows of an address or of a published UDP port are found and forgotten.

Without that, a datagram from a peer that is known already would go on to the container of yesterday. Source:
Linux include/uapi/linux/netfilter/nfnetlink_conntrack.h. Kernels since 6.9 delete by filter (CTA_FILTER), in
0.15 ms. Those since 5.8 only filter a dump, and older ones return all flows: every answer is compared again
here.
"""

from __future__ import annotations

import errno
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from linkspan.kernel import sysctl, wire
from linkspan.kernel.wire import NETLINK_NETFILTER, Netlink, NetlinkError
from linkspan.model.addresses import Address

_GET, _DELETE, _STATISTICS = 0x101, 0x102, 0x105
_HEADER = struct.Struct("=BBH")
_ORIGINAL, _REPLY, _ID, _ZONE, _FILTER = 1, 2, 12, 18, 25
_IP, _PROTOCOL = 1, 2
_SOURCES, _DESTINATIONS = {4: 1, 6: 3}, {4: 2, 6: 4}
_NUMBER, _DESTINATION_PORT = 1, 3
_BY_SOURCE, _BY_DESTINATION, _BY_PROTOCOL, _BY_DESTINATION_PORT = 1, 2, 8, 32
_UDP = 17


@dataclass(frozen=True, slots=True)
class Flow:
    """What tells one tracked flow from others; `key` are the attributes by which the kernel deletes it."""

    source: Address
    destination: Address
    reply_source: Address
    protocol: int
    destination_port: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """Flows whose original source, or whose answering address, is `address`: an endpoint's own."""

    address: Address

    def queries(self) -> tuple[bytes, ...]:
        """Return the bodies of the dumps that find them."""
        inner = wire.nested(_IP, wire.attribute(_SOURCES[self.address.version], self.address.packed))
        return tuple(
            _query(self.address.version, direction, _BY_SOURCE, inner) for direction in (_ORIGINAL, _REPLY)
        )

    def matches(self, flow: Flow) -> bool:
        """Tell whether `flow` is one of them."""
        return self.address in (flow.source, flow.reply_source)


@dataclass(frozen=True, slots=True)
class WantedPort:
    """Flows to a UDP port of `address`; an unspecified one stands for every address of its family."""

    address: Address
    port: int

    def queries(self) -> tuple[bytes, ...]:
        """Return the body of the dump that finds them."""
        flags = _BY_PROTOCOL | _BY_DESTINATION_PORT
        inner = wire.nested(
            _PROTOCOL,
            wire.u8(_NUMBER, _UDP),
            wire.attribute(_DESTINATION_PORT, struct.pack("!H", self.port)),
        )
        if not self.address.is_unspecified:
            flags |= _BY_DESTINATION
            own = wire.attribute(_DESTINATIONS[self.address.version], self.address.packed)
            inner = wire.nested(_IP, own) + inner
        return (_query(self.address.version, _ORIGINAL, flags, inner),)

    def matches(self, flow: Flow) -> bool:
        """Tell whether `flow` is one of them."""
        if (flow.protocol, flow.destination_port) != (_UDP, self.port):
            return False
        if self.address.is_unspecified:
            return flow.destination.version == self.address.version
        return flow.destination == self.address


def _head(version: int) -> bytes:
    return _HEADER.pack(2 if version == 4 else 10, 0, 0)


def _query(version: int, direction: int, flags: int, inner: bytes) -> bytes:
    original, reply = (flags, 0) if direction == _ORIGINAL else (0, flags)
    choice = wire.nested(_FILTER, wire.u32(_ORIGINAL, original), wire.u32(_REPLY, reply))
    return _head(version) + wire.nested(direction, inner) + choice


def parse_flow(body: bytes) -> Flow:
    """Return the flow that the body of a ctnetlink message carries."""
    found = wire.parse(body, _HEADER.size)
    version = 4 if body[0] == 2 else 6
    original, reply = wire.parse(found[_ORIGINAL]), wire.parse(found[_REPLY])
    addresses = wire.parse(original[_IP])
    protocol = wire.parse(original[_PROTOCOL])
    key = wire.attribute(_ORIGINAL | wire.NESTED, found[_ORIGINAL])
    key += b"".join(wire.attribute(kind, found[kind]) for kind in (_ID, _ZONE) if kind in found)
    return Flow(
        source=ip_address(addresses[_SOURCES[version]]),
        destination=ip_address(addresses[_DESTINATIONS[version]]),
        reply_source=ip_address(wire.parse(reply[_IP])[_SOURCES[version]]),
        protocol=protocol[_NUMBER][0],
        destination_port=int.from_bytes(protocol.get(_DESTINATION_PORT, b""), "big"),
        key=key,
    )


def is_available(netlink: Netlink) -> bool:
    """Tell whether the kernel offers connection tracking over netlink at all."""
    try:
        netlink.request(_STATISTICS, 0, _head(4))
    except NetlinkError:
        return False
    return True


def deletes_by_filter(release: str) -> bool:
    """Tell whether a kernel of this release (as uname tells it) deletes all flows that a filter fits.

    Before 6.9 the filter of a deletion was not looked at.
    """
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= (6, 9)


def tracked() -> int:
    """Return how many flows the thread's namespace tracks, 0 when it tracks none at all."""
    try:
        return int(sysctl.read("net.netfilter.nf_conntrack_count"))
    except FileNotFoundError:
        return 0


def flows(netlink: Netlink) -> Iterator[Flow]:
    """Yield every tracked flow of both families; raises NetlinkError."""
    for version in (4, 6):
        for _, body in netlink.dump(_GET, _head(version)):
            yield parse_flow(body)


def flush(netlink: Netlink, addresses: Iterable[Address], udp_ports: Iterable[tuple[Address, int]]) -> None:
    """Forget the flows of these addresses and UDP ports, as `flush_by_dump`, where the kernel can choose.

    Raises NetlinkError: an older kernel refuses, for the filter does not name one flow.
    """
    wanted: list[Wanted | WantedPort] = [Wanted(address) for address in addresses]
    wanted += [WantedPort(address, port) for address, port in udp_ports]
    _delete(netlink, [query for one in wanted for query in one.queries()])


def _delete(netlink: Netlink, bodies: Sequence[bytes]) -> None:
    for error in netlink.batch(_DELETE, 0, bodies):
        if error is not None and error.errno != errno.ENOENT:  # it has timed out meanwhile
            raise error


def flush_by_dump(
    netlink: Netlink,
    addresses: Iterable[Address],
    udp_ports: Iterable[tuple[Address, int]],
    few: bool = True,
) -> None:
    """Forget the flows of these addresses and UDP ports; raises NetlinkError.

    Every dump walks the whole hash table, which takes the kernel 9 ms even when it is empty. So with `few`
    flows all are read at once and chosen here, and only with many the kernel chooses, query by query.
    """
    wanted: list[Wanted | WantedPort] = [Wanted(address) for address in addresses]
    wanted += [WantedPort(address, port) for address, port in udp_ports]
    found = _among_all(netlink, wanted) if few else _one_by_one(netlink, wanted)
    flows = {flow.key: flow for flow in found}
    _delete(netlink, [_head(flow.source.version) + flow.key for flow in flows.values()])


def _among_all(netlink: Netlink, wanted: Sequence[Wanted | WantedPort]) -> Iterator[Flow]:
    for version in {one.address.version for one in wanted}:
        for _, body in netlink.dump(_GET, _head(version)):
            flow = parse_flow(body)
            if any(one.matches(flow) for one in wanted):
                yield flow


def _one_by_one(netlink: Netlink, wanted: Sequence[Wanted | WantedPort]) -> Iterator[Flow]:
    for one in wanted:
        for query in one.queries():
            yield from filter(one.matches, (parse_flow(body) for _, body in netlink.dump(_GET, query)))


def open_socket() -> Netlink:
    """Open a socket for `flush` in the calling thread's namespace."""
    return Netlink(NETLINK_NETFILTER)
