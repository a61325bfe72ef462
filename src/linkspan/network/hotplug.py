"""Hot plugging: one more network for a running sandbox, or one less, with gateway and ports moving over."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from linkspan.blueprint.facts import Fact
from linkspan.model.errors import LinkspanError
from linkspan.model.network import Endpoint, EndpointRequest
from linkspan.model.sandbox import Sandbox
from linkspan.network.adapters import Filter, Kernel, Proxy
from linkspan.network.faces import faces, gateways
from linkspan.network.planning import Planner
from linkspan.network.publishing import Publisher, udp_ports
from linkspan.network.registry import Registry, addresses
from linkspan.network.settings import NetworkSettings
from linkspan.network.undo import Undo, attempt_all, attempt_together
from linkspan.network.wanted import Wanted
from linkspan.network.wording import external_connectivity


class Hotplug:
    """Connects and disconnects; whoever calls holds the container's lock."""

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
        self._planner = planner
        self._wanted = Wanted(registry.by_id, settings)

    def connect(self, sandbox: Sandbox, request: EndpointRequest) -> Sandbox:
        """Return the sandbox with one endpoint more; on any error it is what it was."""
        with Undo() as undo:
            links = {endpoint.link for endpoint in sandbox.endpoints if endpoint.link}
            endpoint = self._planner.plan(sandbox.container, request, sandbox.key, links, undo)
            intent = self._begin(endpoint, undo)
            endpoint = self._planner.attach(endpoint, links, sandbox, undo)
            self._plug(endpoint, undo)
            self._planner.keep((endpoint,), sandbox.container, undo)
            grown = self._move(sandbox, replace(sandbox, endpoints=(*sandbox.endpoints, endpoint)), undo)
            with self._registry.store.transaction(durable=False):
                self._registry.put_sandbox(grown)
                self._registry.store.finish(intent)
        return grown

    def _begin(self, endpoint: Endpoint, undo: Undo) -> int:
        store = self._registry.store
        document = {
            "container": endpoint.container_id,
            "endpoint": endpoint.id,
            "links": [endpoint.host_link],
        }
        with store.transaction(durable=False):
            self._planner.write_leases(endpoint)
            intent = store.begin("connect", document)
        undo.push(self._take_back, intent, endpoint)
        return intent

    def _take_back(self, intent: int, endpoint: Endpoint) -> None:
        with self._registry.store.transaction(durable=False):
            self._planner.erase_leases(endpoint)
            self._registry.store.finish(intent)

    def _plug(self, endpoint: Endpoint, undo: Undo) -> None:
        parts, facts = self._wanted.endpoint_parts(endpoint), self._wanted.endpoint_facts(endpoint)
        if parts:
            self._kernel.apply(parts)
            undo.push(self._kernel.remove, parts)
            self._kernel.announce(self._wanted.announcements((endpoint,)))
        self._add_facts(facts, undo)

    def _add_facts(self, facts: tuple[Fact, ...], undo: Undo) -> None:
        if facts:
            self._firewall.add(facts)
            undo.push(self._firewall.remove, facts)

    def _move(self, before: Sandbox, after: Sandbox, undo: Undo) -> Sandbox:
        """Turn the default routes and the published ports from the gateway of `before` to that of `after`."""
        first, six = gateways(after.endpoints)
        after = replace(after, gateway=first, gateway6=six)
        self._move_routes(before, after, undo)
        self._planner.turn(after, before.endpoints, after.endpoints, undo)
        if (after.gateway, after.gateway6) == (before.gateway, before.gateway6):
            return after
        self._unpublish(before, undo)
        return self._publish(after, before, undo)

    def _move_routes(self, before: Sandbox, after: Sandbox, undo: Undo) -> None:
        old, new = self._wanted.routes(before.endpoints), self._wanted.routes(after.endpoints)
        gone = tuple(route for route in old if route not in new)
        come = tuple(route for route in new if route not in old)
        if gone:
            self._kernel.remove(gone)
            undo.push(self._kernel.apply, gone)
        if come:
            self._kernel.apply(come)
            undo.push(self._kernel.remove, come)

    def _unpublish(self, sandbox: Sandbox, undo: Undo) -> None:
        facts, listeners = self._wanted.publish_facts(sandbox), self._wanted.listeners(sandbox)
        if facts:
            self._firewall.remove(facts)
            undo.push(self._firewall.add, facts)
        self._publisher.withdraw(listeners, undo)
        self._publisher.free(sandbox.bindings)
        undo.push(self._publisher.hold, sandbox)

    def _publish(self, sandbox: Sandbox, before: Sandbox, undo: Undo) -> Sandbox:
        endpoint = sandbox.gateway_endpoint
        if endpoint is None or not sandbox.publish:
            return replace(sandbox, bindings=())
        try:
            publication = self._publisher.open(
                faces(sandbox, self._registry.by_id), sandbox.publish, undo, before.bindings
            )
        except (LinkspanError, OSError) as error:
            raise external_connectivity(endpoint, error) from error
        moved = replace(sandbox, bindings=publication.bindings)
        self._add_facts(self._wanted.publish_facts(moved), undo)
        if ports := udp_ports(moved.bindings):
            self._kernel.flush_conntrack(udp_ports=ports)
        self._publisher.serve(publication, undo)
        return moved

    def disconnect(self, sandbox: Sandbox, endpoint: Endpoint, force: bool = False) -> Sandbox:
        """Return the sandbox without `endpoint`.

        If gateway and ports cannot move over, nothing is changed, unless `force` is set: then they are given
        up. After that the removal goes on after errors and raises an ExceptionGroup of them at the end; the
        records are right in any case.
        """
        document = {"container": endpoint.container_id, "endpoint": endpoint.id}
        intent = self._registry.store.begin("disconnect", document)
        shrunk = self._shrink(sandbox, endpoint, intent, force)
        parts, facts = self._wanted.endpoint_parts(endpoint), self._wanted.endpoint_facts(endpoint)
        own = list(addresses(endpoint))
        rules = [partial(self._firewall.remove, facts)] if facts else []
        links = [partial(self._kernel.remove, parts)] if parts else []
        flows = [partial(self._kernel.flush_conntrack, addresses=own)] if own else []
        problems = attempt_all([*rules, partial(self._planner.let_go, endpoint)])
        problems += attempt_together(links, flows)
        problems += attempt_all(
            [partial(self._planner.detach, endpoint), partial(self._forget, shrunk, endpoint, intent)]
        )
        if problems:
            raise ExceptionGroup(f"disconnecting {endpoint.container_name}", problems)
        return shrunk

    def _shrink(self, sandbox: Sandbox, endpoint: Endpoint, intent: int, force: bool) -> Sandbox:
        rest = replace(sandbox, endpoints=tuple(e for e in sandbox.endpoints if e.id != endpoint.id))
        try:
            with Undo() as undo:
                return self._move(sandbox, rest, undo)
        except Exception:
            if not force:
                self._registry.store.finish(intent)
                raise
        attempt_all(
            (
                partial(self._firewall.remove, self._wanted.publish_facts(sandbox)),
                partial(self._proxy.close, self._wanted.listeners(sandbox)),
                partial(self._publisher.free, sandbox.bindings),
            )
        )
        return replace(rest, gateway="", gateway6="", bindings=())

    def _forget(self, shrunk: Sandbox, endpoint: Endpoint, intent: int) -> None:
        with self._registry.store.transaction(durable=False):
            self._planner.erase_leases(endpoint)
            self._registry.put_sandbox(shrunk)
            self._registry.store.finish(intent)
        self._registry.drop_member(endpoint)
        for address in addresses(endpoint):
            self._registry.give_back(endpoint.network_id, address)
