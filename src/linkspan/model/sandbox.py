"""Sandboxes: one container's network namespace, what is asked of it, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass

from linkspan.model.addresses import Pairs
from linkspan.model.network import Endpoint, EndpointRequest
from linkspan.model.ports import PortBinding, PublishRequest


@dataclass(frozen=True, slots=True)
class ContainerIdentity:
    """Who a sandbox belongs to; `name` has no slash in front."""

    id: str
    name: str
    hostname: str = ""
    domainname: str = ""


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """Give `container` a network: its mode, its endpoints in the order wished, and its published ports.

    `mode` is "bridge", "host", "none" or the name of a network; without `endpoints` it stands for one on the
    network of that name. `links` are the ids of the containers that it is linked to on the default bridge,
    `exposed` the (protocol, port) pairs that those linked to it may use. `namespace` is the path of one
    that others live in already ("": a new one is made). `restoring`: nobody is waiting who could be told, so
    ports are published on host addresses that do not exist yet, too.
    """

    container: ContainerIdentity
    mode: str = "bridge"
    endpoints: tuple[EndpointRequest, ...] = ()
    publish: tuple[PublishRequest, ...] = ()
    sysctls: Pairs = ()
    links: tuple[str, ...] = ()
    exposed: tuple[tuple[str, int], ...] = ()
    namespace: str = ""
    restoring: bool = False


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A container's namespace as it stands.

    `key` is the path of the bind-mounted namespace, "" for the host's own. `gateway` is the id of the
    endpoint that carries the default route and the published ports, "" when there is none; `gateway6` that of
    IPv6 where it is another one.
    """

    container: ContainerIdentity
    mode: str
    key: str
    endpoints: tuple[Endpoint, ...] = ()
    bindings: tuple[PortBinding, ...] = ()
    publish: tuple[PublishRequest, ...] = ()
    gateway: str = ""
    gateway6: str = ""
    links: tuple[str, ...] = ()
    exposed: tuple[tuple[str, int], ...] = ()

    @property
    def gateway_endpoint(self) -> Endpoint | None:
        """Return the endpoint with the default route and the published ports."""
        return next((endpoint for endpoint in self.endpoints if endpoint.id == self.gateway), None)

    def gateway_of(self, version: int) -> Endpoint | None:
        """Return the endpoint that carries the published ports on host addresses of one family."""
        own = self.gateway6 if version == 6 else ""
        return next((e for e in self.endpoints if e.id == (own or self.gateway)), None)

    def endpoint_on(self, network_id: str) -> Endpoint | None:
        """Return this sandbox's endpoint on a network, if it has one."""
        return next((endpoint for endpoint in self.endpoints if endpoint.network_id == network_id), None)
