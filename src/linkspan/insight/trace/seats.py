"""FROM and TO of a trace: containers, services, host, lan, internet and addresses as a first packet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Any

from linkspan.insight.trace.packet import Packet, unspecified
from linkspan.model.addresses import Address
from linkspan.model.errors import InvalidParameter, NotFound

Survey = Mapping[str, Any]
Container = Mapping[str, Any]
_TARGET = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<name>[^/]*?))(?::(?P<port>\d+))?(?:/(?P<protocol>\w+))?")
INTERNET = {4: ip_address("198.51.100.1"), 6: ip_address("2001:db8:ffff::1")}
"""An address of the world for examples (RFC 5737, RFC 3849)."""
SOURCE_PORT = 40000
PROTOCOLS = ("tcp", "udp", "icmp")


@dataclass(frozen=True, slots=True)
class Start:
    """Where a packet starts: inside a namespace (`place`, "" the host), or outside with its address."""

    name: str
    place: str = ""
    outside: str = ""
    address: Address | None = None


def start(survey: Survey, text: str) -> Start:
    """Return where FROM is; raises NotFound, InvalidParameter."""
    if text == "host":
        return Start("host")
    if text in ("lan", "internet"):
        return Start(text, outside=text)
    if (address := _address(text)) is not None:
        container = next((each for each in survey["Containers"] if address in _own(each)), None)
        if container is not None:
            return _inside(survey, container)
        if address in _hosts(survey) or address.is_loopback:
            return Start("host")
        return Start(text, outside="address", address=address)
    return _inside(survey, find(survey, text))


def _home(survey: Survey, container: Container) -> Container:
    """Return in whose namespace a container runs: its own, or its peer's (--network container:)."""
    peer = container["Mode"].removeprefix("container:")
    if peer == container["Mode"] or container["State"] not in ("running", "paused"):
        return container
    return next((each for each in survey["Containers"] if each["Id"] == peer), container)


def _inside(survey: Survey, container: Container) -> Start:
    home = _home(survey, container)
    if home["Mode"] == "host":
        return Start(container["Name"])
    if not home["Sandbox"]:
        raise InvalidParameter(
            f"container {container['Name']} is not running, so nothing can be sent from or to it:"
            f" linkspan start {container['Name']}"
        )
    return Start(container["Name"], home["Sandbox"])


def find(survey: Survey, name: str) -> Container:
    """Return a container by name, id or its begin, or service; raises NotFound, InvalidParameter."""
    containers: Sequence[Container] = survey["Containers"]
    for key in ("Name", "Id", "Service"):
        found = [each for each in containers if each[key] == name]
        if found:
            running = [each for each in found if each["Sandbox"]]
            return (running or found)[0]
    begun = [each for each in containers if name and each["Id"].startswith(name)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        names = ", ".join(each["Name"] for each in begun)
        raise InvalidParameter(f'"{name}" is the begin of several ids ({names}): write more of it')
    raise NotFound(
        f'"{name}" is no container, service or address: say one of `linkspan ps`, an address, or host, lan,'
        " internet"
    )


@dataclass(frozen=True, slots=True)
class Target:
    """TO as written: a name or an address, a port (0: none) and a protocol."""

    name: str
    port: int
    protocol: str


def target(text: str) -> Target:
    """Return TO[:PORT][/udp] in its parts; raises InvalidParameter."""
    match = _TARGET.fullmatch(text)
    name = (match["six"] or match["name"]) if match else ""
    if match is None or not name:
        raise InvalidParameter(f'"{text}" is no destination: write NAME, NAME:PORT or NAME:PORT/udp')
    port, protocol = int(match["port"] or 0), match["protocol"] or ("tcp" if match["port"] else "icmp")
    if protocol not in PROTOCOLS:
        raise InvalidParameter(f'"{protocol}" is no protocol that can be traced: tcp, udp or icmp')
    if (port == 0) != (protocol == "icmp") or port > 65535:
        raise InvalidParameter(f'"{text}": {protocol} needs a port from 1 to 65535, and icmp none')
    return Target(name, port, protocol)


def destinations(survey: Survey, begin: Start, aim: Target) -> Sequence[Address]:
    """Return the addresses that TO has for who starts, the likeliest first; raises NotFound."""
    if (address := _address(aim.name)) is not None:
        return [address]
    if aim.name == "host":
        return _hosts(survey)
    if aim.name == "internet":
        return [INTERNET[4]]
    if aim.name == "lan":
        return [_neighbour(survey)]
    container = find(survey, aim.name)
    _inside(survey, container)
    container = _home(survey, container)
    if container["Mode"] == "host":
        return _hosts(survey)
    mine = next(
        (each for each in survey["Containers"] if each["Sandbox"] == begin.place and begin.place), None
    )
    nets = {point["NetworkId"] for point in mine["Endpoints"]} if mine else set()
    shared = [point for point in container["Endpoints"] if point["NetworkId"] in nets]
    if mine is not None and mine["Name"] == container["Name"]:
        return [ip_address("127.0.0.1")]
    points = shared or sorted(container["Endpoints"], key=lambda point: not point["Gateway"])
    found = [ip_interface(point[key]).ip for point in points for key in ("IPv4", "IPv6") if point[key]]
    if not found:
        raise InvalidParameter(f"container {container['Name']} has no address: it is on no network")
    return found


def packet(survey: Survey, begin: Start, aim: Target) -> Packet:
    """Return the first packet; its source is unspecified where the sender's kernel chooses it."""
    address = destinations(survey, begin, aim)[0]
    port = SOURCE_PORT if aim.port else 0
    source = unspecified(address.version)
    if begin.address is not None:
        source = begin.address
    elif begin.outside == "lan":
        source = _neighbour(survey)
    elif begin.outside == "internet":
        source = INTERNET[address.version]
    if source.version != address.version:
        raise InvalidParameter(f"{source} and {address} are of different address families")
    return Packet(aim.protocol, source, address, port, aim.port)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _own(container: Mapping[str, Any]) -> list[Address]:
    points = container["Endpoints"]
    return [ip_interface(point[key]).ip for point in points for key in ("IPv4", "IPv6") if point[key]]


def _uplinks(survey: Survey) -> list[Any]:
    interfaces = survey["Host"]["Interfaces"]
    found = [ip_interface(text) for link in interfaces if link["Name"] != "lo" for text in link["Addresses"]]
    return [each for each in found if not each.ip.is_link_local]


def _hosts(survey: Survey) -> list[Address]:
    found = [each.ip for each in _uplinks(survey)]
    for network in survey["Networks"]:
        found += [ip_interface(text).ip for text in network["Addresses"] if not text.startswith("fe80:")]
    return found or [ip_address("127.0.0.1")]


def _neighbour(survey: Survey) -> Address:
    """Return an address beside the host on its first network: who lives there."""
    for own in _uplinks(survey):
        if own.version == 4 and own.network.prefixlen < 31:
            return ip_address(next(int(host) for host in own.network.hosts() if host != own.ip))
    raise NotFound("the host is on no network whose neighbours could be named: write an address")
