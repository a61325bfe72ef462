"""A packet on its way: what rules can ask of it, and what they can change."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from linkspan.model.addresses import Address


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection. Ports are 0 for icmp; `translated` says that DNAT has happened."""

    protocol: str
    source: Address
    destination: Address
    source_port: int = 0
    destination_port: int = 0
    incoming: str = ""
    outgoing: str = ""
    mark: int = 0
    translated: bool = False

    @property
    def version(self) -> int:
        """Return the address family, 4 or 6."""
        return self.destination.version

    def __str__(self) -> str:
        """Return "tcp 10.0.0.9:40000 → 10.0.0.5:8080"."""
        return f"{self.protocol} {self.sender} → {self.target}"

    @property
    def sender(self) -> str:
        """Return the source as text."""
        return endpoint_text(self.source, self.source_port)

    @property
    def target(self) -> str:
        """Return the destination as text."""
        return endpoint_text(self.destination, self.destination_port)


def unspecified(version: int) -> Address:
    """Return the address of a packet whose source the sender's kernel is to choose."""
    return ip_address("0.0.0.0" if version == 4 else "::")


def endpoint_text(address: Address, port: int) -> str:
    """Return "10.0.0.5:80", "[fd00::1]:80", or the address alone for port 0."""
    if not port:
        return str(address)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
