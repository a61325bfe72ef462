"""What the kernel should hold for a network or a sandbox: parts, facts and listeners, from the model alone.

Set-up, teardown, repair after a restart and the tools that explain the network all read these functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from linkspan.blueprint.announcements import Announcement
from linkspan.blueprint.facts import Fact
from linkspan.blueprint.listeners import Listener
from linkspan.blueprint.parts import Part, Route
from linkspan.model.network import Endpoint, Network
from linkspan.model.sandbox import Sandbox
from linkspan.network import gateway
from linkspan.network.bindings import face_listeners, of_family, publish_facts
from linkspan.network.drivers import driver
from linkspan.network.drivers.attachment import announcement, default_route
from linkspan.network.faces import faces
from linkspan.network.settings import NetworkSettings


@dataclass(frozen=True, slots=True)
class Wanted:
    """The blueprint of everything, computed one object at a time.

    `network` finds a network by its full id.
    """

    network: Callable[[str], Network]
    settings: NetworkSettings

    def network_parts(self, network: Network) -> tuple[Part, ...]:
        """Return the links of a network itself."""
        return driver(network.driver).network_parts(network, self.settings)

    def network_facts(self, network: Network) -> tuple[Fact, ...]:
        """Return the firewall facts of a network itself."""
        return driver(network.driver).network_facts(network, self.settings)

    def endpoint_parts(self, endpoint: Endpoint) -> tuple[Part, ...]:
        """Return the links of one endpoint, without default routes."""
        network = self.network(endpoint.network_id)
        return driver(network.driver).endpoint_parts(network, endpoint, self.settings)

    def announcements(self, endpoints: tuple[Endpoint, ...]) -> tuple[Announcement, ...]:
        """Return what new endpoints tell their neighbours."""
        return tuple(announcement(self.network(e.network_id), e) for e in endpoints if e.link)

    def endpoint_facts(self, endpoint: Endpoint) -> tuple[Fact, ...]:
        """Return the firewall facts of one endpoint, without published ports."""
        network = self.network(endpoint.network_id)
        return driver(network.driver).endpoint_facts(network, endpoint, self.settings)

    def routes(self, endpoints: tuple[Endpoint, ...]) -> tuple[Route, ...]:
        """Return the default routes of a sandbox with these endpoints, at most one for each family."""
        return tuple(
            default_route(chosen, version)
            for version in (4, 6)
            if (chosen := gateway.choose(endpoints, version)) is not None
        )

    def all_default_routes(self, endpoints: tuple[Endpoint, ...]) -> tuple[Route, ...]:
        """Return every default route that any choice of the gateway could have made in a sandbox."""
        return tuple(route for endpoint in endpoints for route in self.routes((endpoint,)))

    def sandbox_parts(self, sandbox: Sandbox) -> tuple[Part, ...]:
        """Return everything in and of one sandbox, default routes last."""
        parts = tuple(part for endpoint in sandbox.endpoints for part in self.endpoint_parts(endpoint))
        return parts + self.routes(sandbox.endpoints)

    def publish_facts(self, sandbox: Sandbox) -> tuple[Fact, ...]:
        """Return the firewall facts of a sandbox's published ports."""
        return tuple(
            fact
            for version, face in faces(sandbox, self.network).items()
            for fact in publish_facts(
                face.network, face.endpoint, of_family(sandbox.bindings, version), self.settings
            )
        )

    def sandbox_facts(self, sandbox: Sandbox) -> tuple[Fact, ...]:
        """Return all firewall facts of one sandbox: drops first, then what opens."""
        own = tuple(fact for endpoint in sandbox.endpoints for fact in self.endpoint_facts(endpoint))
        return own + self.publish_facts(sandbox)

    def listeners(self, sandbox: Sandbox) -> tuple[Listener, ...]:
        """Return the host sockets of a sandbox's published ports."""
        return face_listeners(faces(sandbox, self.network), sandbox.bindings)
