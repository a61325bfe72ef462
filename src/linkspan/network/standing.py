"""Which parts of a network the host has, and which it has not."""

from __future__ import annotations

from collections.abc import Iterable

from linkspan.blueprint.parts import Address, Bridge, LinkUp, Part, SubLink, VethPair
from linkspan.model.addresses import Interface
from linkspan.network.adapters import Kernel


def missing(kernel: Kernel, parts: Iterable[Part]) -> tuple[Part, ...]:
    """Return those of `parts` to apply: links and addresses that are not there, settings in any case."""
    present = set(kernel.host_addresses())
    return tuple(part for part in parts if not _stands(kernel, part, present))


def lost(kernel: Kernel, parts: Iterable[Part]) -> tuple[Part, ...]:
    """Return what to apply when somebody has taken away a link or an address, or set a link down, else ()."""
    wanted = tuple(parts)
    absent = missing(kernel, wanted)
    down = tuple(LinkUp(part.name) for part in wanted if isinstance(part, Bridge) and _is_down(kernel, part))
    gone = any(isinstance(part, Bridge | SubLink | VethPair | Address) for part in absent)
    return (*absent, *down) if gone or down else ()


def _stands(kernel: Kernel, part: Part, present: set[Interface]) -> bool:
    match part:
        case Bridge(name=name) | SubLink(name=name) | VethPair(host_name=name):
            return kernel.link(name) is not None
        case Address(interface=interface):
            return interface in present
    return False


def _is_down(kernel: Kernel, bridge: Bridge) -> bool:
    link = kernel.link(bridge.name)
    return link is not None and not link.up
