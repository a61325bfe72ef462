"""What a walk asks of the kernel, and what the survey tells of who is where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Any, Protocol

from linkspan.insight.trace.packet import Packet
from linkspan.insight.trace.ruleset import Kind, Table
from linkspan.model.addresses import Address

HOST = ""
"""The place of the host; those of containers are the paths of their namespaces."""


class NoWay(Exception):
    """There is no route; says so in the kernel's words."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where a route leads: `local` ends here; else by `link`, to `via` where it is not on-link."""

    link: str
    local: bool = False
    via: Address | None = None
    source: Address | None = None


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket that takes new connections; `address` None is every address, of both families if `dual`."""

    protocol: str
    address: Address | None
    port: int
    program: str = ""
    version: int = 4
    dual: bool = False

    def takes(self, packet: Packet) -> bool:
        """Return whether a packet that arrived here is for this socket."""
        if (self.protocol, self.port) != (packet.protocol, packet.destination_port):
            return False
        if self.address is None:
            return self.dual or self.version == packet.version
        return self.address == packet.destination


class World(Protocol):
    """The kernel of every place, as it is now."""

    def tables(self, place: str) -> Sequence[Table]: ...
    def way(self, place: str, packet: Packet) -> Way: ...
    def kind(self, place: str) -> Kind: ...
    def sockets(self, place: str) -> Sequence[Socket]: ...
    def sysctl(self, place: str, key: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Seat:
    """One interface of a container: its place and name, the link inside, the veth and bridge outside."""

    place: str
    container: str
    link: str
    host_link: str
    bridge: str
    network: str
    internal: bool
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """Published ports of a container, as the proxy serves them."""

    container: str
    protocol: str
    address: Address
    port: int
    inner: int
    count: int

    def meets(self, packet: Packet) -> bool:
        """Return whether a packet to the host is for these ports."""
        if packet.protocol != self.protocol or not 0 <= packet.destination_port - self.port < self.count:
            return False
        if self.address.is_unspecified:
            return self.address.version == packet.version
        return self.address == packet.destination


@dataclass(frozen=True, slots=True)
class Topology:
    """Who is where, taken from the survey."""

    seats: Sequence[Seat]
    bindings: Sequence[Binding]
    names: Mapping[str, str]

    def beyond(self, bridge: str, address: Address) -> Seat | None:
        """Return the container with `address` on a bridge."""
        return next((s for s in self.seats if s.bridge == bridge and address in s.addresses), None)

    def leaving(self, place: str, link: str) -> Seat | None:
        """Return the interface `link` of a container."""
        return next((s for s in self.seats if s.place == place and s.link == link), None)

    def name(self, place: str) -> str:
        """Return "host", or a container's name."""
        return self.names.get(place, "host")


def topology(survey: Mapping[str, Any]) -> Topology:
    """Return who is where."""
    internal = {each["Id"]: each["Internal"] for each in survey["Networks"]}
    seats, bindings, names = [], [], {HOST: "host"}
    for container in survey["Containers"]:
        if container["Sandbox"]:
            names[container["Sandbox"]] = container["Name"]
        for point in container["Endpoints"]:
            found = [ip_interface(point[key]).ip for key in ("IPv4", "IPv6") if point[key]]
            seats.append(
                Seat(
                    container["Sandbox"],
                    container["Name"],
                    point["Link"],
                    point["HostLink"],
                    point["Bridge"],
                    point["Network"],
                    internal.get(point["NetworkId"], False),
                    tuple(found),
                )
            )
        for each in container["Ports"]:
            address = ip_address(each["HostIp"])
            ports = (each["HostPort"], each["ContainerPort"], each["Count"])
            bindings.append(Binding(container["Name"], each["Protocol"], address, *ports))
    return Topology(seats, bindings, names)
