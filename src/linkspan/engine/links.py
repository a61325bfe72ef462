"""Links between containers: lines in /etc/hosts on the default bridge, aliases on other networks.

Source: Docker's "Legacy container links"; moby daemon/links.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from linkspan.engine.registry import Registry
from linkspan.model.addresses import Address, Pairs
from linkspan.model.container import Container
from linkspan.model.errors import InvalidParameter, LinkspanError
from linkspan.model.network import Endpoint
from linkspan.network.controller import Controller


@dataclass(frozen=True, slots=True)
class Link:
    """The other container of a legacy link, and what this one calls it."""

    id: str
    name: str
    alias: str
    address: Address


def parse_link(text: str) -> tuple[str, str]:
    """Return (container, alias) of "db", "db:alias" or the API's "/db:/web/alias"; InvalidParameter else."""
    name, colon, alias = text.partition(":")
    if not name or (colon and not alias) or ":" in alias:
        raise InvalidParameter(f"bad format for links: {text}")
    return name.removeprefix("/"), (alias or name).rsplit("/", 1)[-1]


def network_links(endpoints: Iterable[Endpoint]) -> Pairs:
    """Return (alias, container) of the links that `endpoints` ask for on their own networks."""
    found = (parse_link(link) for endpoint in endpoints for link in endpoint.config.links)
    return tuple((alias.lower(), name.lower()) for name, alias in found)


def legacy_links(container: Container, registry: Registry, network: Controller) -> list[Link]:
    """Return the links of a container on the default bridge; InvalidParameter when the other does not run."""
    if container.network_mode not in ("default", "bridge"):
        return []
    return [_resolve(container, text, registry, network) for text in container.host_config.get("Links") or ()]


def _resolve(container: Container, text: str, registry: Registry, network: Controller) -> Link:
    name, alias = parse_link(text)
    other = registry.find(name).container
    sandbox = network.sandbox(other.id)
    addresses = [e.ipv4.ip for e in (sandbox.endpoints if sandbox else ()) if e.ipv4 is not None]
    if not other.state.running or not addresses:
        raise LinkspanError(
            f"Cannot link to a non running container: /{other.name} AS /{container.name}/{alias}"
        )
    return Link(other.id, other.name, alias, addresses[0])
