"""What a container asks of the network: its sandbox request (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from linkspan.model.allow_lists import restricted
from linkspan.model.container import Container
from linkspan.model.network import EndpointRequest
from linkspan.model.port_grammar import publish_requests, split_port
from linkspan.model.ports import PublishRequest
from linkspan.model.sandbox import ContainerIdentity, SandboxRequest


def identity(container: Container) -> ContainerIdentity:
    """Return who the sandbox of `container` belongs to."""
    return ContainerIdentity(
        id=container.id,
        name=container.name,
        hostname=str(container.config.get("Hostname") or ""),
        domainname=str(container.config.get("Domainname") or ""),
    )


def published(container: Container) -> tuple[PublishRequest, ...]:
    """Return the ports to publish, and to whom; raises InvalidParameter for bad grammar."""
    host, config = container.host_config, container.config
    requests = publish_requests(
        host.get("PortBindings") or {},
        tuple(config.get("ExposedPorts") or ()),
        bool(host.get("PublishAllPorts")),
    )
    return restricted(requests, config.get("Labels") or {})


def sandbox_request(container: Container) -> SandboxRequest:
    """Return the request for the sandbox of `container` (its mode is not "container:…")."""
    mode = container.network_mode
    ports = published(container)
    return SandboxRequest(
        container=identity(container),
        mode=mode,
        endpoints=tuple(EndpointRequest(name, config) for name, config in container.networks.items()),
        publish=() if mode in ("host", "none") else ports,
        exposed=tuple(_exposed(container)),
    )


def _exposed(container: Container) -> Iterator[tuple[str, int]]:
    """Yield (protocol, port) of what the container exposes, for legacy links; ranges one by one."""
    for text in container.config.get("ExposedPorts") or ():
        protocol, first, last = split_port(text)
        yield from ((protocol, port) for port in range(first, last + 1))
