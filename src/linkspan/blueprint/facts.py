"""Firewall facts: what is wanted of the packet filter, not how a given filter says it.

Each fact belongs to one network or endpoint; adding or removing it never needs to look at another.
The family of a fact is the family of its addresses; facts without addresses say `family` (4 or 6).
"""

from __future__ import annotations

from dataclasses import dataclass

from linkspan.model.addresses import Address, Subnet


@dataclass(frozen=True, slots=True)
class Masquerade:
    """Traffic from `subnet` that leaves by another interface than `bridge` gets the host's address.

    With `source` it gets that address (SNAT). `from_host` adds the userland-proxy=false rule: what the host
    itself sends into the bridge from a local address is masqueraded.
    """

    subnet: Subnet
    bridge: str
    source: Address | None = None
    from_host: bool = False


@dataclass(frozen=True, slots=True)
class SkipOwnBridge:
    """Containers on `bridge` that use a published port of the host reach the proxy, not the DNAT."""

    bridge: str
    family: int = 4


@dataclass(frozen=True, slots=True)
class Hairpin:
    """Containers on `bridge` reach their peers' published ports by the host's address, whatever icc says.

    For userland-proxy=false: what was translated comes from the host's address then, so that the answer does
    not take the short way and miss the translation back. It needs no br_netfilter.
    """

    subnet: Subnet
    bridge: str


@dataclass(frozen=True, slots=True)
class Fence:
    """What may be forwarded to and from one bridge, independent of the FORWARD policy.

    `gateway_mode` is nat, nat-unprotected, routed or isolated; `subnet` is needed for internal networks.
    `outward` are the destinations outside that containers may connect to, None for all.
    """

    bridge: str
    subnet: Subnet
    internal: bool = False
    icc: bool = True
    gateway_mode: str = "nat"
    outward: tuple[Subnet, ...] | None = None


@dataclass(frozen=True, slots=True)
class EgressOpen:
    """Containers on `bridge`, a network with a list of destinations, may connect to `address` for now."""

    bridge: str
    address: Address


@dataclass(frozen=True, slots=True)
class Publish:
    """`count` host ports from `host_port` on `host_address` (unspecified: any) lead to the endpoint.

    `nat` false only opens the port in the filter (routed mode). `own_bridge` true translates packets from the
    endpoint's own bridge too (userland-proxy=false). `sources` are who may come, besides the host itself;
    empty means everybody. They are of the endpoint's family; `restricted` is true also when none is.
    """

    protocol: str
    host_address: Address
    host_port: int
    endpoint_address: Address
    container_port: int
    bridge: str
    count: int = 1
    nat: bool = True
    own_bridge: bool = False
    sources: tuple[Subnet, ...] = ()
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class DirectAccessDrop:
    """Packets to `endpoint_address` that do not come from `bridge` (or a trusted link) are dropped early."""

    endpoint_address: Address
    bridge: str
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoopbackOnly:
    """Packets to a port published on a loopback address are dropped unless they come from lo."""

    protocol: str
    host_address: Address
    host_port: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class LinkedContainers:
    """A hole between two endpoints for legacy links with icc off: `child`'s port is reachable by `parent`."""

    parent: Address
    child: Address
    protocol: str
    port: int
    bridge: str


Fact = (
    Masquerade
    | SkipOwnBridge
    | Hairpin
    | Fence
    | EgressOpen
    | Publish
    | DirectAccessDrop
    | LoopbackOnly
    | LinkedContainers
)
