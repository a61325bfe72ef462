"""Port bindings: single ports collapsed into ranges, and what firewall and proxy must do for each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from linkspan.blueprint.facts import Fact, LoopbackOnly, Publish
from linkspan.blueprint.listeners import Listener
from linkspan.model.addresses import Address
from linkspan.model.network import Endpoint, Network
from linkspan.model.ports import PortBinding
from linkspan.network.faces import Faces
from linkspan.network.options import BridgeOptions, bridge_options
from linkspan.network.settings import NetworkSettings


def collapse(bindings: Iterable[PortBinding]) -> tuple[PortBinding, ...]:
    """Return the bindings with every run of consecutive host and container ports made one, sorted."""
    merged: list[PortBinding] = []
    for binding in sorted(set(bindings), key=_order):
        if merged and _continues(merged[-1], binding):
            merged[-1] = replace(merged[-1], count=merged[-1].count + binding.count)
        else:
            merged.append(binding)
    return tuple(merged)


def _order(binding: PortBinding) -> tuple[str, int, int, int, int]:
    """Sort by what a run shares, the distance between host and container port included, then by port."""
    address = binding.host_address
    distance = binding.host_port - binding.container_port if binding.host_port else 0
    return binding.protocol, address.version, int(address), distance, binding.container_port


def _continues(run: PortBinding, following: PortBinding) -> bool:
    """Tell whether `following` goes on where `run` ends; host port 0 (routed mode) is no port at all."""
    host_port = run.host_port + run.count if run.host_port else 0
    return (
        following.host_port == host_port  # first: of a thousand single ports none goes further
        and following.container_port == run.container_port + run.count
        and following.protocol == run.protocol
        and following.host_address == run.host_address
        and following.sources == run.sources
    )


def publish_facts(
    network: Network, endpoint: Endpoint, bindings: Iterable[PortBinding], settings: NetworkSettings
) -> tuple[Fact, ...]:
    """Return the firewall facts of the published ports of one endpoint.

    A binding of the family that the endpoint lacks has none: it lives by the proxy alone. So do all of them
    where the host's own firewall is respected: they are ports of the host then, and its INPUT rules decide.
    """
    options = bridge_options(network)
    return tuple(
        fact
        for binding in bindings
        for fact in _binding_facts(network.bridge, options, endpoint, binding, settings)
    )


def _binding_facts(
    bridge: str, options: BridgeOptions, endpoint: Endpoint, binding: PortBinding, settings: NetworkSettings
) -> Iterator[Fact]:
    host = binding.host_address
    target = _own_address(endpoint, host.version)
    if target is None:
        return
    if host.version == 4 and host.is_loopback:
        yield LoopbackOnly(binding.protocol, host, binding.host_port, binding.count)
    routed = options.mode(host.version) == "routed"
    if settings.respect_host_firewall and not routed:
        return
    yield Publish(
        binding.protocol,
        host,
        binding.host_port,
        target,
        binding.container_port,
        bridge,
        binding.count,
        nat=not routed,
        own_bridge=not settings.userland_proxy,
        sources=tuple(source for source in binding.sources if source.version == host.version),
        restricted=bool(binding.sources),
    )


def _own_address(endpoint: Endpoint, version: int) -> Address | None:
    interface = endpoint.ipv4 if version == 4 else endpoint.ipv6
    return None if interface is None else interface.ip


def listeners(network: Network, endpoint: Endpoint, bindings: Iterable[PortBinding]) -> tuple[Listener, ...]:
    """Return the host sockets of the published ports of one endpoint, with where the proxy leads them."""
    options = bridge_options(network)
    return tuple(
        Listener(b.protocol, b.host_address, b.host_port, target, b.container_port, b.count, b.sources)
        for b in bindings
        if options.mode(b.host_address.version) != "routed"
        and (target := proxy_target(endpoint, b.host_address))
    )


def of_family(bindings: Iterable[PortBinding], version: int) -> tuple[PortBinding, ...]:
    """Return the bindings whose host address is of one family."""
    return tuple(binding for binding in bindings if binding.host_address.version == version)


def face_listeners(faces: Faces, bindings: Iterable[PortBinding]) -> tuple[Listener, ...]:
    """Return the host sockets of the published ports of a sandbox with these faces, as they are bound."""
    known = tuple(bindings)
    return tuple(
        listener
        for version, face in faces.items()
        for listener in listeners(face.network, face.endpoint, of_family(known, version))
    )


def proxy_target(endpoint: Endpoint, host: Address) -> Address | None:
    """Return the endpoint's address of the host address's family, or else of the other one."""
    same = _own_address(endpoint, host.version)
    return same if same is not None else _own_address(endpoint, 10 - host.version)
