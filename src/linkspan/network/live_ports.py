"""Ports of a running sandbox, published and taken back while it runs; other ports are not touched.

The order is that of a start: host sockets bound but closed, the packet filter, the proxy serving, the commit.
What was interrupted the start of the daemon puts right: it makes rules and sockets what the records say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from linkspan.model.errors import Conflict, LinkspanError
from linkspan.model.ports import PublishRequest
from linkspan.model.sandbox import Sandbox
from linkspan.network.adapters import Filter, Kernel
from linkspan.network.bindings import collapse
from linkspan.network.faces import faces
from linkspan.network.publishing import Publisher, single, udp_ports
from linkspan.network.registry import Registry
from linkspan.network.settings import NetworkSettings
from linkspan.network.undo import Undo
from linkspan.network.unpublishing import without
from linkspan.network.wanted import Wanted
from linkspan.network.wording import external_connectivity

Written = Callable[[Sandbox], object]
"""Called with the sandbox as it will be, inside of the commit; what it raises takes everything back."""


class LivePorts:
    """Adds and removes published ports; whoever calls holds the container's lock."""

    def __init__(
        self,
        registry: Registry,
        kernel: Kernel,
        firewall: Filter,
        publisher: Publisher,
        settings: NetworkSettings,
    ) -> None:
        self._registry = registry
        self._kernel = kernel
        self._firewall = firewall
        self._publisher = publisher
        self._wanted = Wanted(registry.by_id, settings)

    def add(self, sandbox: Sandbox, requests: Sequence[PublishRequest], written: Written) -> Sandbox:
        """Return the sandbox with `requests` published as well; on any error it is what it was.

        Raises LinkspanError with the texts of a start, and Conflict where there is nothing to publish on.
        """
        sides = faces(sandbox, self._registry.by_id)
        endpoint = sandbox.gateway_endpoint
        if endpoint is None or not sides:
            raise Conflict(
                f"container {sandbox.container.name} is on no bridge network with a way out, so no port of it"
                " can be published: connect it to one first (linkspan network connect)"
            )
        self._refuse_same(sandbox, requests)
        with Undo() as undo:
            intent = self._begin("publish", sandbox, undo)
            try:
                publication = self._publisher.open(sides, requests, undo)
            except (LinkspanError, OSError) as error:
                raise external_connectivity(endpoint, error) from error
            after = replace(
                sandbox,
                publish=(*sandbox.publish, *requests),
                bindings=(*sandbox.bindings, *publication.bindings),
            )
            self._exchange_facts(sandbox, after, undo)
            if ports := udp_ports(publication.bindings):
                self._kernel.flush_conntrack(udp_ports=ports)
            self._publisher.serve(publication, undo)
            self._commit(after, intent, written)
        return after

    def remove(self, sandbox: Sandbox, wanted: Sequence[PublishRequest], written: Written) -> Sandbox:
        """Return the sandbox without the published ports that `wanted` means; on any error it is what it was.

        TCP connections that were translated go on until they end; the proxy's are reset, and UDP stops.
        Raises NotFound for what is not published.
        """
        kept, bindings = without(sandbox.publish, sandbox.bindings, wanted, sandbox.container.name)
        after = replace(sandbox, publish=kept, bindings=bindings)
        stays = {*single(bindings)}
        leaving = collapse(each for each in single(sandbox.bindings) if each not in stays)
        gone = replace(sandbox, bindings=leaving)
        with Undo() as undo:
            intent = self._begin("unpublish", sandbox, undo)
            self._exchange_facts(sandbox, after, undo)
            # The proxy holds each port of a run by itself: those that stay are not touched.
            self._publisher.withdraw(self._wanted.listeners(gone), undo)
            if ports := udp_ports(leaving):
                self._kernel.flush_conntrack(udp_ports=ports)
            self._publisher.free(leaving)
            undo.push(self._publisher.hold, gone)
            self._commit(after, intent, written)
        return after

    def _refuse_same(self, sandbox: Sandbox, requests: Sequence[PublishRequest]) -> None:
        """Refuse a second port of one's choice: after a restart there would be one for both."""
        for request in requests:
            chosen = request.first != request.last or not request.first
            if chosen and request in sandbox.publish:
                raise Conflict(
                    f"port {request.container_port}/{request.protocol} of container"
                    f" {sandbox.container.name} is published on a host port of our choice"
                    " already: name the host port of another one"
                )

    def _begin(self, kind: str, sandbox: Sandbox, undo: Undo) -> int:
        store = self._registry.store
        intent = store.begin(kind, {"container": sandbox.container.id})
        undo.push(store.finish, intent)
        return intent

    def _exchange_facts(self, before: Sandbox, after: Sandbox, undo: Undo) -> None:
        old, new = self._wanted.publish_facts(before), self._wanted.publish_facts(after)
        stays = {*old} & {*new}
        if gone := tuple(fact for fact in old if fact not in stays):
            self._firewall.remove(gone)
            undo.push(self._firewall.add, gone)
        if come := tuple(fact for fact in new if fact not in stays):
            self._firewall.add(come)
            undo.push(self._firewall.remove, come)

    def _commit(self, after: Sandbox, intent: int, written: Written) -> None:
        with self._registry.store.transaction():
            written(after)
            self._registry.store.finish(intent)
            self._registry.put_sandbox(after)
