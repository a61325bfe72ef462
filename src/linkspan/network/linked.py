"""Legacy links on a bridge with icc off: holes for the exposed ports of a container, for those linked to it.

A hole is there while both containers stand, whichever of them was started last. Source: Docker's bridge
driver, which makes them on the default bridge only.
"""

from __future__ import annotations

from collections.abc import Iterator

from linkspan.blueprint.facts import Fact, LinkedContainers
from linkspan.model.network import Endpoint
from linkspan.model.sandbox import Sandbox
from linkspan.network.options import bridge_options
from linkspan.network.predefined import BRIDGE_NETWORK
from linkspan.network.registry import Registry


def link_facts(registry: Registry, sandbox: Sandbox) -> tuple[Fact, ...]:
    """Return the holes between a sandbox and the others that stand, in both directions of linking."""
    id = sandbox.container.id
    children = [found for child in sandbox.links if (found := registry.sandbox(child)) is not None]
    parents = [found for parent in registry.linked_to(id) if (found := registry.sandbox(parent)) is not None]
    pairs = [(sandbox, child) for child in children] + [(parent, sandbox) for parent in parents]
    return tuple(fact for parent, child in pairs for fact in _holes(registry, parent, child))


def _holes(registry: Registry, parent: Sandbox, child: Sandbox) -> Iterator[Fact]:
    one, other = _on_default_bridge(parent), _on_default_bridge(child)
    if one is None or other is None or one.ipv4 is None or other.ipv4 is None:
        return
    network = registry.by_id(one.network_id)
    if bridge_options(network).icc:
        return
    for protocol, port in child.exposed:
        yield LinkedContainers(one.ipv4.ip, other.ipv4.ip, protocol, port, network.bridge)


def _on_default_bridge(sandbox: Sandbox) -> Endpoint | None:
    return next((e for e in sandbox.endpoints if e.network_name == BRIDGE_NETWORK), None)
