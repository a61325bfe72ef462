"""Address translations as effects, whoever's rule asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from linkspan.insight.trace.packet import Packet, endpoint_text
from linkspan.insight.trace.ruleset import ACCEPT, Effect


def destination(packet: Packet, found: Sequence[Any], port: int) -> Effect:
    """Return DNAT to (address), (address, port); without a port it stays `port`."""
    address = ip_address(str(found[0])) if found else packet.destination
    chosen = int(found[1]) if len(found) > 1 else port
    changed = replace(packet, destination=address, destination_port=chosen, translated=True)
    return Effect(ACCEPT, changed, words=f"destination becomes {changed.target}", translates=True)


def source(packet: Packet, found: Sequence[Any]) -> Effect:
    """Return SNAT to (address), (address, port)."""
    address = ip_address(str(found[0])) if found else packet.source
    port = int(found[1]) if len(found) > 1 else 0
    changed = replace(packet, source=address, source_port=port or packet.source_port)
    words = f"source becomes {endpoint_text(address, port)}"
    return Effect(ACCEPT, changed, words=words, translates=True)


def masquerade(packet: Packet) -> Effect:
    """Return MASQUERADE: the source becomes what the walk finds for the link that the packet leaves by."""
    words = f"source becomes the address of {packet.outgoing or 'the link it leaves by'}"
    return Effect(ACCEPT, packet, words=words, translates=True, masquerades=True)


def redirect(packet: Packet, port: int) -> Effect:
    """Return REDIRECT to a port of the host itself."""
    changed = replace(packet, destination_port=port, translated=True)
    return Effect(ACCEPT, changed, words=f"redirected to port {port} of this host", translates=True)
