"""What a capture listens to: the interface, the namespace, the filter of pcap-filter(7). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Any

from linkspan.insight.scope import LINKLESS, Survey, Unknown

KINDS = ("container", "network", "port")
LOOPBACK = ("127.0.0.0/8", "::1/128")


class Silent(ValueError):
    """What was named is there, and has no packets of its own: the text says why and what to name instead."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where tcpdump listens: `sandbox` is the path of the namespace ("": the host's)."""

    sandbox: str
    interface: str
    filter: str = ""


def listening(survey: Survey, name: str) -> Listening:
    """Return where the packets of `name` pass: a container, a network, or a published port ("8080/udp").

    "container:", "network:" or "port:" in front says what is meant. Raises Unknown, also for a name that
    means more than one thing, and Silent.
    """
    kind, _, rest = name.partition(":")
    kinds = (kind,) if kind in KINDS and rest else KINDS
    sought = rest if kinds != KINDS else name
    found = [
        *(_container(each) for each in _named(survey["Containers"], sought, "container" in kinds)),
        *(_network(each) for each in _named(survey["Networks"], sought, "network" in kinds)),
    ]
    if "port" in kinds and (published := _published(survey, sought)):
        found.append(_port(survey, published))
    found = found or [*_begun(survey, sought, kinds)]
    if len(found) > 1:
        raise Unknown(
            f'"{name}" means more than one thing: write '
            + " or ".join(f"{each}:{sought}" for each in kinds)
            + ", or more of the id"
        )
    if not found:
        raise Unknown(
            f'no container, network or published port is called "{name}": see `linkspan ps`,'
            " `linkspan network ls`; a UDP port is written 53/udp"
        )
    if isinstance(found[0], Silent):
        raise found[0]
    return found[0]


Found = Listening | Silent


def _named(things: Sequence[Mapping[str, Any]], name: str, wanted: bool) -> list[Mapping[str, Any]]:
    return [each for each in things if wanted and name in (each["Name"], each["Id"])]


def _begun(survey: Survey, name: str, kinds: Sequence[str]) -> Iterator[Found]:
    """Yield what has an id that begins so; four letters at least, for a port is digits too."""
    if len(name) < 4:
        return
    if "container" in kinds:
        yield from (_container(each) for each in survey["Containers"] if each["Id"].startswith(name))
    if "network" in kinds:
        yield from (_network(each) for each in survey["Networks"] if each["Id"].startswith(name))


def _container(container: Mapping[str, Any]) -> Found:
    name, mode = container["Name"], container["Mode"]
    if mode.startswith("container:"):
        return Silent(f"container {name} lives in the network of another one: name {mode.partition(':')[2]}")
    if container["State"] not in ("running", "paused"):
        return Silent(f"container {name} is not running: linkspan start {name}")
    if mode == "host":
        return Silent(f"container {name} has the host's network: name a network or a port instead")
    links = [each["Link"] for each in container["Endpoints"] if each["Link"]]
    if not links:
        return Silent(f"container {name} is on no network: linkspan network connect NETWORK {name}")
    return Listening(container["Sandbox"], links[0] if len(links) == 1 else "any")


def _network(network: Mapping[str, Any]) -> Found:
    name = network["Name"]
    if network["Driver"] in LINKLESS:
        return Silent(f"network {name} has no bridge of its own: name a container or a port instead")
    if network["Bridge"] and network["Index"]:
        return Listening("", network["Bridge"])
    if network["Parent"]:
        nets = " or ".join(f"net {each['Subnet']}" for each in network["Subnets"])
        return Listening("", network["Parent"], nets)
    return Silent(f"network {name} has no link on this host: name one of its containers instead")


def _published(survey: Survey, text: str) -> list[tuple[Mapping[str, Any], Mapping[str, Any], int]]:
    """Return (container, binding, container port) of every binding that a host port means."""
    number, _, protocol = text.partition("/")
    address, _, port = number.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) < 6):
        return []
    return [
        (container, binding, binding["ContainerPort"] + int(port) - binding["HostPort"])
        for container in survey["Containers"]
        for binding in container["Ports"]
        if 0 < binding["HostPort"] <= int(port) < binding["HostPort"] + binding["Count"]
        and binding["Protocol"] == (protocol.lower() or "tcp")
        and address.strip("[]") in ("", binding["HostIp"])
    ]


def _port(survey: Survey, published: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], int]]) -> Listening:
    """Listen on all interfaces but the veth pairs, where the bridge has the same packet already."""
    parts: dict[str, None] = {}
    bridges = [each for each in survey["Networks"] if each["Bridge"] and each["Index"]]
    outside = _interfaces(each["Index"] for each in (*survey["Host"]["Interfaces"], *bridges))
    local = [*LOOPBACK, *_addresses(survey, bridges)]
    for container, binding, inner in published:
        protocol = binding["Protocol"]
        own = binding["HostIp"]
        hosts = local if ip_address(own).is_unspecified else [own]
        version = ip_address(own).version
        mine = [each for each in hosts if ip_interface(each).version == version]
        port = binding["HostPort"] + inner - binding["ContainerPort"]
        to = _any(f"dst {_host(each)}" for each in mine)
        back = _any(f"src {_host(each)}" for each in mine)
        parts[
            f"({protocol} and {outside} and ((dst port {port} and {to}) or (src port {port} and {back})))"
        ] = None
        for point in container["Endpoints"]:
            bridge = next((each["Index"] for each in bridges if each["Bridge"] == point["Bridge"]), 0)
            for address in filter(None, (point["IPv4"], point["IPv6"])):
                host = str(ip_interface(address).ip)
                way = f"((dst port {inner} and dst host {host}) or (src port {inner} and src host {host}))"
                if bridge:
                    parts[f"({protocol} and ifindex {bridge} and {way})"] = None
    return Listening("", "any", " or ".join(parts))


def _interfaces(indexes: Iterable[int]) -> str:
    return _any(f"ifindex {index}" for index in indexes)


def _addresses(survey: Survey, bridges: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for each in (*survey["Host"]["Interfaces"], *bridges):
        for address in each["Addresses"]:
            found = ip_interface(address).ip
            if not found.is_loopback:
                yield str(found)


def _host(text: str) -> str:
    return f"net {text}" if "/" in text else f"host {text}"


def _any(terms: Iterable[str]) -> str:
    return f"({' or '.join(terms)})"


def joined(own: str, given: str) -> str:
    """Return the filter that lets pass what passes both; "" lets everything pass."""
    return " and ".join(f"({each})" for each in (own, given.strip()) if each)
