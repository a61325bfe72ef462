"""Firewall facts rendered as elements of the table `linkspan`; pure.

A port, an endpoint or a network costs elements and never a rule. A run of ports that keep their numbers is
one element in each place. In a run that is shifted every port is translated by an element of its own: a map's
data cannot hold a range, and a rule's, whose base port nft cannot give, leads them all to the first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from linkspan.blueprint.facts import (
    DirectAccessDrop,
    EgressOpen,
    Fact,
    Fence,
    Hairpin,
    LinkedContainers,
    LoopbackOnly,
    Masquerade,
    Publish,
    SkipOwnBridge,
)
from linkspan.firewall.render.elements import PROTOCOLS, Element, Set, interface
from linkspan.firewall.render.table import SETS
from linkspan.model.addresses import Subnet

_ACCEPT, _DROP = struct.pack("!I", 1), struct.pack("!I", 0)
_PORT = struct.Struct("!B3xH2x")
_NUMBER = struct.Struct("!H2x")


def render(fact: Fact) -> list[Element]:
    """Return the elements of one fact; two facts may ask for the same.

    Raises ValueError for what no element can hold: a port above 65,535, a link name of more than 15 bytes.
    """
    return _RENDERERS[type(fact)](fact)


def family(fact: Fact) -> int:
    """Return the family of the table that a fact belongs into."""
    match fact:
        case SkipOwnBridge():
            return fact.family
        case Masquerade() | Hairpin() | Fence():
            return fact.subnet.version
        case Publish() | DirectAccessDrop():
            return fact.endpoint_address.version
        case EgressOpen():
            return fact.address.version
        case LoopbackOnly():
            return fact.host_address.version
        case LinkedContainers():
            return fact.child.version


def own_port(fact: Publish) -> Element:
    """Return the element that keeps the endpoint's own bridge from the translation.

    It is needed with the userland proxy where no SkipOwnBridge stands, as without masquerading.
    """
    low = high = fact.host_address.packed
    if fact.host_address.is_unspecified:
        high = b"\xff" * len(low)
    bridge = interface(fact.bridge)
    first, last = _run(fact.protocol, fact.host_port, fact.count)
    of = SETS[fact.endpoint_address.version]["own_ports"]
    return Element(of, bridge + low + first, bridge + high + last)


def is_translated(fact: Publish) -> bool:
    """Tell whether packets to the host's port are translated: not across families, nor in routed mode."""
    return fact.nat and fact.host_address.version == fact.endpoint_address.version


def describe(fact: Fact) -> str:
    """Return a fact in words for an error message."""
    match fact:
        case Publish() | LoopbackOnly():
            last = f"-{fact.host_port + fact.count - 1}" if fact.count > 1 else ""
            return f"the published port {fact.host_address}:{fact.host_port}{last}/{fact.protocol}"
        case DirectAccessDrop():
            return f"the protection of {fact.endpoint_address} on {fact.bridge}"
        case LinkedContainers():
            return f"the link from {fact.parent} to {fact.child}:{fact.port}/{fact.protocol}"
        case Masquerade() | Hairpin() | Fence():
            return f"the network {fact.subnet} on {fact.bridge}"
        case EgressOpen():
            return f"the way of {fact.bridge} to {fact.address}"
        case SkipOwnBridge():
            return f"the network on {fact.bridge}"


def _masquerade(fact: Masquerade) -> list[Element]:
    sets, bridge = SETS[fact.subnet.version], interface(fact.bridge)
    low, high = _ends(fact.subnet)
    elements = [Element(sets["home"], low + bridge, high + bridge)]
    source = fact.source.packed if fact.source else b""
    if source:
        elements.append(Element(sets["sources"], low, high, source))
    else:
        elements.append(Element(sets["masqueraded"], low, high))
    if fact.from_host:
        of = sets["host_sources" if source else "host_masqueraded"]
        elements.append(Element(of, bridge, data=source))
    return elements


def _skip_own_bridge(fact: SkipOwnBridge) -> list[Element]:
    return [Element(SETS[fact.family]["proxied"], interface(fact.bridge))]


def _hairpin(fact: Hairpin) -> list[Element]:
    sets, bridge = SETS[fact.subnet.version], interface(fact.bridge)
    low, high = _ends(fact.subnet)
    return [Element(sets["turned"], bridge * 2), Element(sets["turning"], low + bridge, high + bridge)]


def _fence(fact: Fence) -> list[Element]:
    sets, bridge = SETS[fact.subnet.version], interface(fact.bridge)
    elements = [
        Element(sets["same"], bridge * 2),
        Element(sets["within"], bridge * 2, data=_ACCEPT if fact.icc else _DROP),
    ]
    if fact.internal:
        low, high = _ends(fact.subnet)
        inside = Element(sets["inside"], bridge + low, bridge + high)
        return [*elements, inside, Element(sets["internal"], bridge)]
    if fact.outward is not None:
        elements.append(Element(sets["egress"], bridge))
        elements += (
            Element(sets["egress_to"], bridge + low, bridge + high) for low, high in map(_ends, fact.outward)
        )
    if fact.gateway_mode == "routed":
        elements.append(Element(sets["routed"], bridge))
    verdict = _ACCEPT if fact.gateway_mode == "nat-unprotected" else _DROP
    return [*elements, Element(sets["default"], bridge, data=verdict), Element(sets["bridges"], bridge)]


def _egress_open(fact: EgressOpen) -> list[Element]:
    of = SETS[fact.address.version]["egress_names"]
    return [Element(of, interface(fact.bridge) + fact.address.packed)]


def _publish(fact: Publish) -> list[Element]:
    """None when the host's address is of the other family: only the userland proxy can carry that."""
    host, endpoint = fact.host_address, fact.endpoint_address
    if host.version != endpoint.version:
        return []
    sets, inner = SETS[endpoint.version], endpoint.packed
    if fact.restricted:
        elements = _opened_for_some(sets, fact, inner)
    else:
        elements = _ports(sets, "open", inner, fact.protocol, fact.container_port, fact.count)
    if fact.nat:
        elements.append(Element(sets["itself"], inner + inner))
        translations = _restricted_translations if fact.restricted else _translations
        elements += translations(sets, fact, b"" if host.is_unspecified else host.packed, inner)
    return elements


def _opened_for_some(sets: dict[str, Set], fact: Publish, inner: bytes) -> list[Element]:
    """Port by port: intervals of two runs that overlap would be refused."""
    return [
        Element(sets["open_from"], low + inner + port, high + inner + port)
        for low, high in map(_ends, fact.sources)
        for port, _ in _singles(fact.protocol, fact.container_port, fact.count)
    ]


def _restricted_translations(sets: dict[str, Set], fact: Publish, host: bytes, inner: bytes) -> list[Element]:
    """The host itself may come whatever the list of sources says; nobody else can have its addresses."""
    first, last = (host, host) if host else (bytes(len(inner)), b"\xff" * len(inner))
    shift = fact.container_port - fact.host_port
    elements = []
    for port, number in _singles(fact.protocol, fact.host_port, fact.count):
        target = inner + _NUMBER.pack(number + shift)
        elements.append(Element(sets["ports_own"], first + port, last + port, target))
        elements += (
            Element(sets["ports_from"], low + first + port, high + last + port, target)
            for low, high in map(_ends, fact.sources)
        )
    return elements


def _singles(protocol: str, port: int, count: int) -> list[tuple[bytes, int]]:
    """Return each port of a run as a key's field, and its number."""
    return [(_run(protocol, number, 1)[0], number) for number in range(port, port + count)]


def _translations(sets: dict[str, Set], fact: Publish, host: bytes, inner: bytes) -> list[Element]:
    anywhere = "" if host else "_any"
    first, last = _run(fact.protocol, fact.host_port, fact.count)
    if fact.count > 1 and fact.host_port == fact.container_port:
        return [Element(sets[f"ranges{anywhere}"], host + first, host + last, inner)]
    of, protocol = sets[f"ports{anywhere}"], PROTOCOLS[fact.protocol]
    shift = fact.container_port - fact.host_port
    return [
        Element(of, host + _PORT.pack(protocol, port), b"", inner + _NUMBER.pack(port + shift))
        for port in range(fact.host_port, fact.host_port + fact.count)
    ]


def _direct_access_drop(fact: DirectAccessDrop) -> list[Element]:
    sets, endpoint = SETS[fact.endpoint_address.version], fact.endpoint_address.packed
    ways = [Element(sets["ways"], endpoint + interface(link)) for link in (fact.bridge, *fact.trusted)]
    return [*ways, Element(sets["guarded"], endpoint)]


def _loopback_only(fact: LoopbackOnly) -> list[Element]:
    """IPv6 needs nothing: the kernel takes ::1 from nowhere but lo."""
    if fact.host_address.version == 6:
        return []
    return _ports(SETS[4], "loopback", fact.host_address.packed, fact.protocol, fact.host_port, fact.count)


def _linked_containers(fact: LinkedContainers) -> list[Element]:
    pair = fact.parent.packed + fact.child.packed
    port, _ = _run(fact.protocol, fact.port, 1)
    return [Element(SETS[fact.child.version]["links"], interface(fact.bridge) + pair + port)]


def _ports(
    sets: dict[str, Set], name: str, address: bytes, protocol: str, port: int, count: int
) -> list[Element]:
    """One port in the hash NAME_ports, or a run in the interval set NAME_ranges."""
    first, last = _run(protocol, port, count)
    if count == 1:
        return [Element(sets[f"{name}_ports"], address + first)]
    return [Element(sets[f"{name}_ranges"], address + first, address + last)]


def _run(protocol: str, port: int, count: int) -> tuple[bytes, bytes]:
    if not 0 <= port <= port + count - 1 <= 65535:
        raise ValueError(f"there is no port {port + count - 1}")
    number = PROTOCOLS[protocol]
    return _PORT.pack(number, port), _PORT.pack(number, port + count - 1)


def _ends(subnet: Subnet) -> tuple[bytes, bytes]:
    return subnet.network_address.packed, subnet.broadcast_address.packed


_RENDERERS: dict[type, Callable[[Any], list[Element]]] = {
    Masquerade: _masquerade,
    SkipOwnBridge: _skip_own_bridge,
    Hairpin: _hairpin,
    Fence: _fence,
    EgressOpen: _egress_open,
    Publish: _publish,
    DirectAccessDrop: _direct_access_drop,
    LoopbackOnly: _loopback_only,
    LinkedContainers: _linked_containers,
}
