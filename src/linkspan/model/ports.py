"""Published ports: what a request asks for, and the bindings that stand.

A run of consecutive ports is one value here, never a thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

from linkspan.model.addresses import Address, Subnet

PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """Publish `container_port`/`protocol` on one of the host ports `first`..`last` (0..0: any free one).

    `host_address` None means every address of the host, both families. `sources` are who may connect; empty
    means everybody.
    """

    protocol: str
    container_port: int
    host_address: Address | None = None
    first: int = 0
    last: int = 0
    sources: tuple[Subnet, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class PortBinding:
    """Host ports `host_port`..`host_port+count-1` on `host_address` lead to as many container ports.

    `sources` as in PublishRequest.
    """

    protocol: str
    host_address: Address
    host_port: int
    container_port: int
    count: int = 1
    sources: tuple[Subnet, ...] = ()
