"""Reservations: the fixed addresses of containers, kept for them from create to rm, also while they are down.

Docker gives a fixed address away while its container is stopped, and then cannot start it (moby#26284). Here
the first container to ask for an address has it until it is removed or disconnected. A second one may be
created with it all the same, since `docker compose up` makes the new container before it removes the old.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

from linkspan.model.addresses import Address
from linkspan.model.errors import NotFound
from linkspan.model.network import EndpointConfig, EndpointRequest, Network
from linkspan.model.sandbox import ContainerIdentity
from linkspan.network.registry import Registry

CLAIM = "claim"


class Reservations:
    """Who has asked for which addresses, in memory and in the store. Thread-safe."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._names: dict[str, str] = {}

    def load(self) -> None:
        """Read all claims from the store, the oldest first."""
        for document in sorted(self._registry.store.all(CLAIM), key=lambda found: found["since"]):
            self._names[document["container"]] = document["name"]
            for network_id, text in document["addresses"]:
                self._registry.claim(network_id, ip_address(text), document["container"])

    def reserve(self, container: ContainerIdentity, requests: Iterable[EndpointRequest]) -> None:
        """Keep the fixed addresses that `requests` name on the networks that there are."""
        wanted = [(n.id, address) for n, config in self._known(requests) for address in fixed(config, n)]
        if not wanted:
            return
        with self._writing():
            document = self._document(container)
            known = {(network_id, text) for network_id, text in document["addresses"]}
            fresh = [(id, address) for id, address in wanted if (id, str(address)) not in known]
            for network_id, address in fresh:
                self._registry.claim(network_id, address, container.id)
            document["addresses"] += [[network_id, str(address)] for network_id, address in fresh]
            self._names[container.id] = document["name"] = container.name
            self._registry.store.put(CLAIM, container.id, document)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Take the store before the registry, as whoever writes a sandbox does: the other order deadlocks."""
        with self._registry.store.transaction(), self._registry.lock:
            yield

    def _known(self, requests: Iterable[EndpointRequest]) -> Iterator[tuple[Network, EndpointConfig]]:
        for request in requests:
            try:
                yield self._registry.find(request.network), request.config
            except NotFound:
                continue

    def _document(self, container: ContainerIdentity) -> dict[str, Any]:
        new = {"container": container.id, "since": time.time_ns(), "addresses": []}
        return self._registry.store.get(CLAIM, container.id) or new

    def release(self, container_id: str, network_id: str = "") -> None:
        """Give up what is kept for a container, on one network or (without `network_id`) on all."""
        if container_id not in self._names:
            return
        with self._writing():
            document = self._registry.store.get(CLAIM, container_id)
            if document is None:
                return
            going = [pair for pair in document["addresses"] if not network_id or pair[0] == network_id]
            for other_id, text in going:
                self._registry.waive(other_id, ip_address(text), container_id)
            document["addresses"] = [pair for pair in document["addresses"] if pair not in going]
            if document["addresses"]:
                self._registry.store.put(CLAIM, container_id, document)
            else:
                self._registry.store.delete(CLAIM, container_id)
                self._names.pop(container_id, None)

    def forget_network(self, network_id: str) -> None:
        """Give up what was kept on a network that is gone."""
        for container_id in self.owners():
            self.release(container_id, network_id)

    def rename(self, container_id: str, name: str) -> None:
        """Note the new name of a container, for errors that name it."""
        with self._writing():
            document = self._registry.store.get(CLAIM, container_id)
            if document is not None:
                self._names[container_id] = document["name"] = name
                self._registry.store.put(CLAIM, container_id, document)

    def owners(self) -> list[str]:
        """Return the containers that something is kept for."""
        with self._registry.lock:
            return list(self._names)

    def holder(self, network_id: str, address: Address) -> str:
        """Return the name of the container that has an address, or that it is kept for; "" if nobody."""
        for endpoint in self._registry.members(network_id):
            if address in [interface.ip for interface in (endpoint.ipv4, endpoint.ipv6) if interface]:
                return endpoint.container_name
        return self._names.get(self._registry.claimant(network_id, address), "")


def fixed(config: EndpointConfig, network: Network) -> Iterator[Address]:
    """Yield the fixed addresses that a network can give."""
    for address in (config.ipv4, config.ipv6):
        if address is not None and network.pool_of(address) is not None:
            yield address
