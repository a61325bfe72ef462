"""Sandboxes: a container's namespace built all at once or not at all, and torn down whatever fails.

The order fails closed: addresses and names, the intent in the store, namespace and links, host sockets bound
but closed to all, all firewall facts in one transaction, the proxy serving, the commit. The process is set up
beside it as soon as the namespace stands, and does not run before everything does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from linkspan.blueprint.parts import Part, Sysctl
from linkspan.model.errors import LinkspanError
from linkspan.model.network import Endpoint, EndpointRequest
from linkspan.model.sandbox import Sandbox, SandboxRequest
from linkspan.network.adapters import Filter, Kernel, Proxy
from linkspan.network.faces import faces, gateways
from linkspan.network.linked import link_facts
from linkspan.network.planning import Planner, chosen_name, dns_names
from linkspan.network.predefined import BRIDGE_NETWORK, HOST_NETWORK
from linkspan.network.publishing import Publication, Publisher, udp_ports
from linkspan.network.registry import Registry, addresses
from linkspan.network.settings import NetworkSettings
from linkspan.network.undo import Undo, attempt_all, attempt_together
from linkspan.network.wanted import Wanted
from linkspan.network.wording import external_connectivity

log = logging.getLogger(__name__)

NO_PORTS = Publication((), (), None)

Prepared = Callable[[Sandbox], Callable[[], object]]
"""Called with a sandbox whose namespace stands, its ports still closed; returns what takes back its doing."""


def nothing(_sandbox: Sandbox) -> Callable[[], object]:
    """Be the `Prepared` of a sandbox that nothing waits for."""
    return lambda: None


class Sandboxes:
    """Builds and removes sandboxes; whoever calls holds the container's lock."""

    def __init__(
        self,
        registry: Registry,
        kernel: Kernel,
        firewall: Filter,
        proxy: Proxy,
        publisher: Publisher,
        settings: NetworkSettings,
        planner: Planner,
    ) -> None:
        self._registry = registry
        self._kernel = kernel
        self._firewall = firewall
        self._proxy = proxy
        self._publisher = publisher
        self._settings = settings
        self._planner = planner
        self._wanted = Wanted(registry.by_id, settings)

    def build(self, request: SandboxRequest, prepared: Prepared = nothing) -> Sandbox:
        """Make the sandbox that `request` wants; on any error nothing of it is left."""
        with Undo() as undo:
            sandbox = self._plan(request, undo)
            intent = self._begin(sandbox, undo)
            self._make_namespace(sandbox, request, undo)
            self._planner.keep(sandbox.endpoints, sandbox.container, undo)
            undo.push(prepared(sandbox))
            publication = self._publish(sandbox, request, undo)
            sandbox = replace(sandbox, bindings=publication.bindings)
            self._open(sandbox, publication, undo)
            self._planner.turn(sandbox, (), sandbox.endpoints, undo)
            with self._registry.store.transaction(durable=False):
                self._registry.put_sandbox(sandbox)
                self._registry.store.finish(intent)
        return sandbox

    def _plan(self, request: SandboxRequest, undo: Undo) -> Sandbox:
        own = request.mode != HOST_NETWORK
        key = str(self._settings.sandbox_path(request.container.id)) if own else ""
        links = {name for wish in request.endpoints if (name := chosen_name(wish.config))}
        endpoints = tuple(
            self._planner.plan(request.container, wish, key, links, undo)
            for wish in endpoint_requests(request)
        )
        if any(self._planner.is_foreign(endpoint) for endpoint in endpoints):
            self._create_namespace(key, request, undo)
            endpoints = tuple(self._planner.attach(e, links, request, undo) for e in endpoints)
        first, six = gateways(endpoints)
        return Sandbox(
            container=request.container,
            mode=request.mode,
            key=key,
            endpoints=endpoints,
            publish=request.publish,
            gateway=first,
            gateway6=six,
            links=request.links,
            exposed=request.exposed,
        )

    def _begin(self, sandbox: Sandbox, undo: Undo) -> int:
        store = self._registry.store
        links = [endpoint.host_link for endpoint in sandbox.endpoints if endpoint.host_link]
        document = {"container": sandbox.container.id, "key": sandbox.key, "links": links}
        with store.transaction(durable=False):
            for endpoint in sandbox.endpoints:
                self._planner.write_leases(endpoint)
            intent = store.begin("join", document)
        undo.push(self._take_back, intent, sandbox.endpoints)
        return intent

    def _take_back(self, intent: int, endpoints: tuple[Endpoint, ...]) -> None:
        with self._registry.store.transaction(durable=False):
            for endpoint in endpoints:
                self._planner.erase_leases(endpoint)
            self._registry.store.finish(intent)

    def _publish(self, sandbox: Sandbox, request: SandboxRequest, undo: Undo) -> Publication:
        endpoint = sandbox.gateway_endpoint
        if endpoint is None or not sandbox.publish:
            return NO_PORTS
        try:
            sides = faces(sandbox, self._registry.by_id)
            return self._publisher.open(sides, sandbox.publish, undo, absent=request.restoring)
        except (LinkspanError, OSError) as error:
            raise external_connectivity(endpoint, error) from error

    def _make_namespace(self, sandbox: Sandbox, request: SandboxRequest, undo: Undo) -> None:
        if not sandbox.key:
            return
        if not any(self._planner.is_foreign(endpoint) for endpoint in sandbox.endpoints):
            self._create_namespace(sandbox.key, request, undo)
        parts = self._wanted.sandbox_parts(sandbox)
        sysctls: tuple[Part, ...] = tuple(
            Sysctl(key, value, sandbox.key) for key, value in request.sysctls if key.startswith("net.")
        )
        self._kernel.apply(parts + sysctls)
        undo.push(self._kernel.detach_links, parts)
        self._kernel.announce(self._wanted.announcements(sandbox.endpoints))

    def _create_namespace(self, key: str, request: SandboxRequest, undo: Undo) -> None:
        self._kernel.create_sandbox(Path(key), request.namespace)
        undo.push(self._kernel.remove_sandbox, Path(key))

    def _open(self, sandbox: Sandbox, publication: Publication, undo: Undo) -> None:
        facts = self._wanted.sandbox_facts(sandbox) + link_facts(self._registry, sandbox)
        if facts:
            self._firewall.add(facts)
            undo.push(self._firewall.remove, facts)
        if publication.listeners:
            self._flush(sandbox, whole=False)
            self._publisher.serve(publication, undo)

    def _flush(self, sandbox: Sandbox, whole: bool) -> None:
        """Forget what conntrack knows of the sandbox's UDP host ports, and of its addresses if `whole`."""
        own = [address for endpoint in sandbox.endpoints for address in addresses(endpoint)] if whole else []
        ports = udp_ports(sandbox.bindings)
        if own or ports:
            self._kernel.flush_conntrack(addresses=own, udp_ports=ports)

    def demolish(self, sandbox: Sandbox) -> None:
        """Remove a sandbox; goes on after errors and raises an ExceptionGroup of them at the end.

        The records and the leases are gone when this returns, whatever else failed.
        """
        intent = self._registry.store.begin("leave", {"container": sandbox.container.id, "key": sandbox.key})
        facts = self._wanted.sandbox_facts(sandbox) + link_facts(self._registry, sandbox)
        listeners = self._wanted.listeners(sandbox)
        parts = self._wanted.sandbox_parts(sandbox)
        rules = [
            partial(self._firewall.remove, facts) if facts else None,
            partial(self._proxy.close, listeners) if listeners else None,
        ]
        links = [
            partial(self._kernel.detach_links, parts) if parts else None,
            partial(self._kernel.remove_sandbox, Path(sandbox.key)) if sandbox.key else None,
        ]
        turn = partial(self._planner.turn, sandbox, sandbox.endpoints, ())
        problems = attempt_all((turn, *filter(None, rules)))
        problems += attempt_all(partial(self._planner.let_go, endpoint) for endpoint in sandbox.endpoints)
        problems += attempt_together(filter(None, links), [partial(self._flush, sandbox, whole=True)])
        problems += attempt_all(partial(self._planner.detach, endpoint) for endpoint in sandbox.endpoints)
        problems += attempt_all([partial(self.forget, sandbox, intent)])
        if problems:
            raise ExceptionGroup(f"tearing down the network of {sandbox.container.name}", problems)

    def rename(self, container_id: str, name: str) -> Sandbox | None:
        """Give the endpoints of a sandbox the container's new name; None if there is no sandbox."""
        if (sandbox := self._registry.sandbox(container_id)) is None:
            return None
        container = replace(sandbox.container, name=name)
        endpoints = tuple(
            replace(
                endpoint,
                container_name=name,
                dns_names=dns_names(container, endpoint.config) if endpoint.dns_names else (),
            )
            for endpoint in sandbox.endpoints
        )
        renamed = replace(sandbox, container=container, endpoints=endpoints)
        self._registry.put_sandbox(renamed)
        return renamed

    def keep_leases(self) -> None:
        """Have the leases of a LAN's DHCP server renewed again; what cannot be is logged."""
        for problem in self._planner.keep_again():
            log.error("keeping the lease of a DHCP server: %s", problem)

    def abandon(self, sandbox: Sandbox) -> None:
        """Forget a sandbox whose namespace is gone already; plugins are told if they can be reached."""
        for problem in attempt_all(partial(self._planner.detach, e) for e in sandbox.endpoints):
            log.warning("%s: %s", sandbox.container.name, problem)
        self.forget(sandbox)

    def forget(self, sandbox: Sandbox, intent: int = 0) -> None:
        """Strike a sandbox out of the store and give its addresses and ports back."""
        with self._registry.store.transaction(durable=False):
            for endpoint in sandbox.endpoints:
                self._planner.erase_leases(endpoint)
            self._registry.drop_sandbox(sandbox)
            self._registry.store.finish(intent)
        self._publisher.free(sandbox.bindings)
        for endpoint in sandbox.endpoints:
            for address in addresses(endpoint):
                self._registry.give_back(endpoint.network_id, address)


def endpoint_requests(request: SandboxRequest) -> tuple[EndpointRequest, ...]:
    """Return the endpoints that a request means: those it names, or else the one of its mode."""
    mode = BRIDGE_NETWORK if request.mode in ("", "default") else request.mode
    if not request.endpoints:
        return (EndpointRequest(mode),)
    return request.endpoints
