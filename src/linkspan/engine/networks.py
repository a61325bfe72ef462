"""Use cases of networks: create, list, inspect, remove, prune, and connecting containers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from linkspan.engine.events import Events
from linkspan.engine.registry import Managed, Registry
from linkspan.engine.workers import Workers
from linkspan.model.container import Container
from linkspan.model.errors import Forbidden, InvalidParameter, NotFound
from linkspan.model.filters import Filters, labels_pass, until
from linkspan.model.network import Endpoint, EndpointConfig, EndpointRequest, Network, NetworkSpec
from linkspan.model.sandbox import ContainerIdentity, SandboxRequest
from linkspan.model.timestamps import parse_moment
from linkspan.network.controller import Controller
from linkspan.network.occupancy import Occupancy

PREDEFINED = frozenset({"bridge", "host", "none"})


class Networks:
    """The networks of this host, and which containers are on them."""

    def __init__(
        self,
        controller: Controller,
        registry: Registry,
        workers: Workers,
        events: Events,
        refresh: Callable[[Container], None],
    ) -> None:
        """`refresh` writes the files of a container anew after its networks changed; it blocks."""
        self._refresh = refresh
        self._controller = controller
        self._registry = registry
        self._workers = workers
        self._events = events

    @property
    def firewall_backend(self) -> str:
        """Return the name of the packet filter backend, as `docker info` shows it."""
        return self._controller.firewall_backend

    @property
    def default_address_pools(self) -> list[dict[str, Any]]:
        """Return the configured address pools in the shape of `docker info`; none is shown by default."""
        given = self._controller.settings.default_address_pools
        return [{"Base": str(pool.base), "Size": pool.size} for pool in given]

    async def select(self, filters: Filters) -> list[tuple[Network, list[Endpoint]]]:
        """Return the networks that match `filters` (see `_matches`), with members."""
        found = await self._workers.run(self._controller.networks)
        members = [(n, self._controller.endpoints(n.id)) for n in found]
        return [(n, endpoints) for n, endpoints in members if _matches(n, endpoints, filters)]

    async def create(self, spec: NetworkSpec) -> Network:
        """Create a network and tell it; raises what the controller raises."""
        network = await self._workers.apart(self._controller.create_network, spec)
        self._tell("create", network)
        return network

    async def inspect(self, reference: str, scope: str = "") -> tuple[Network, list[Endpoint]]:
        """Return a network and its endpoints, or raise NotFound."""
        network = self._controller.network(reference)
        if scope and network.scope != scope:
            raise NotFound(f"network {reference} not found")
        return network, self._controller.endpoints(network.id)

    def occupancy(self, network: Network) -> dict[str, Occupancy]:
        """Return how many addresses of each subnet of a network are taken and left, by the subnet's text."""
        return self._controller.occupancy(network.id)

    async def remove(self, reference: str) -> None:
        """Remove a network; Forbidden when it is predefined or has active endpoints."""
        self._tell("destroy", await self._workers.apart(self._controller.remove_network, reference))

    async def prune(self, filters: Filters) -> list[str]:
        """Remove the networks nobody is on; returns their names."""
        before = until(filters, time.time_ns())
        removed = []
        for network, endpoints in await self.select({}):
            old = before is None or parse_moment(network.created) < before
            if (
                network.name in PREDEFINED
                or endpoints
                or not old
                or not labels_pass(dict(network.labels), filters)
            ):
                continue
            try:
                await self.remove(network.id)
            except (Forbidden, NotFound):
                continue
            removed.append(network.name)
        return removed

    async def connect(self, reference: str, container: str, config: EndpointConfig) -> None:
        """Attach a container, running or not, to a network."""
        network = self._controller.network(reference)
        managed = self._registry.find(container)
        async with managed.lock:
            _refuse_shared(managed.container, network)
            config = _with_own_mac(managed.container, network, config)
            networks = {**_without_private(managed.container, network), network.name: config}
            attach = self._plug if managed.state.running else self._reserve
            await self._run(network)(attach, managed.container, network, config)
            before = managed.container
            managed.change(networks=networks)
            try:
                await self._workers.run(self._follow, managed.container)
            except Exception:
                managed.change(networks=before.networks)
                await self._run(network)(self._take_back, before, network)
                raise
        self._tell("connect", network, managed.id)

    def _run(self, network: Network) -> Callable[..., Awaitable[Any]]:
        """Return the way to run what changes endpoints on a network: plugins hold up nobody's threads."""
        return self._workers.apart if self._controller.asks_plugins((network.id,)) else self._workers.run

    def _plug(self, container: Container, network: Network, config: EndpointConfig) -> None:
        self._controller.connect(identity_of(container), EndpointRequest(network.id, config))

    def _take_back(self, container: Container, network: Network) -> None:
        """Undo a connect that could not be written down."""
        if container.state.running:
            self._controller.disconnect(container.id, network.id, force=True)
        else:
            self._controller.release(container.id, network.id)
        self._refresh(container)

    def _follow(self, container: Container) -> None:
        """Write down the networks that a container is on now: its files and its record."""
        self._refresh(container)
        self._registry.write(container)

    def _reserve(self, container: Container, network: Network, config: EndpointConfig) -> None:
        """Check what a container that is down asks for, and keep its addresses for it."""
        identity, endpoints = identity_of(container), (EndpointRequest(network.id, config),)
        self._controller.validate(SandboxRequest(identity, network.name, endpoints))
        self._controller.reserve(identity, endpoints)

    async def disconnect(self, reference: str, container: str, force: bool = False) -> None:
        """Detach a container; with `force` also one that no longer exists."""
        network = self._controller.network(reference)
        try:
            managed = self._registry.find(container)
        except NotFound:
            if not force:
                raise
            await self._disconnect_stranger(network, container)
            return
        async with managed.lock:
            await self._disconnect(managed, network, force)
        self._tell("disconnect", network, managed.id)

    async def _disconnect(self, managed: Managed, network: Network, force: bool) -> None:
        container = managed.container
        if container.network_mode == "host":
            raise Forbidden(
                "container cannot be disconnected from host network - "
                "container was created in host network mode"
            )
        names = [n for n in container.networks if n in (network.name, network.id)]
        if managed.state.running:
            await self._run(network)(self._controller.disconnect, managed.id, network.id, force)
        elif not names and not force:
            raise Forbidden(f"container {managed.id} is not connected to network {network.name}")
        else:
            await self._workers.run(self._controller.release, managed.id, network.id)
        managed.change(networks={n: c for n, c in container.networks.items() if n not in names})
        await self._workers.run(self._follow, managed.container)

    async def _disconnect_stranger(self, network: Network, container: str) -> None:
        for endpoint in self._controller.endpoints(network.id):
            if container in (endpoint.container_id, endpoint.container_name):
                await self._workers.run(self._controller.disconnect, endpoint.container_id, network.id, True)
                self._tell("disconnect", network, endpoint.container_id)
                return
        raise NotFound(f"No such container: {container}")

    def _tell(self, action: str, network: Network, container: str = "") -> None:
        attributes = {"name": network.name, "type": network.driver}
        if container:
            attributes["container"] = container
        self._events.publish("network", action, network.id, attributes, network.scope)


def identity_of(container: Container) -> ContainerIdentity:
    """Return who the sandbox of `container` belongs to."""
    return ContainerIdentity(
        id=container.id,
        name=container.name,
        hostname=str(container.config.get("Hostname") or ""),
        domainname=str(container.config.get("Domainname") or ""),
    )


def _with_own_mac(container: Container, network: Network, config: EndpointConfig) -> EndpointConfig:
    """Give the endpoint of the container's first network its --mac-address again.

    docker-compose 1.29 disconnects and connects what it has just created, and does not repeat the address.
    """
    mac = str(container.config.get("MacAddress") or "").lower()
    first = container.network_mode in (network.name, network.id)
    return replace(config, mac=mac) if mac and first and not config.mac else config


def _refuse_shared(container: Container, network: Network) -> None:
    mode = container.network_mode
    if mode.startswith("container:") or (mode == "host" and network.name != "host"):
        raise Forbidden(
            "container sharing network namespace with another container or host "
            "cannot be connected to any other network"
        )
    if network.name == "host":
        raise Forbidden(
            "cannot connect container to host network - container must be created in host network mode"
        )
    if network.name == "none" or (mode == "none" and "none" in container.networks):
        raise Forbidden(
            "container cannot be connected to multiple networks with one of the networks "
            "in private (none) mode"
        )


def _without_private(container: Container, network: Network) -> dict[str, EndpointConfig]:
    return {name: config for name, config in container.networks.items() if name != network.id}


def _matches(network: Network, endpoints: Sequence[Endpoint], filters: Filters) -> bool:
    tests: dict[str, Callable[[str], bool]] = {
        "driver": lambda v: network.driver == v,
        "id": lambda v: network.id.startswith(v),
        "name": lambda v: v in network.name,
        "scope": lambda v: network.scope == v,
        "type": lambda v: _is_type(network, v),
        "dangling": lambda v: _is_dangling(network, endpoints, v),
    }
    if len(filters.get("dangling", ())) > 1:
        raise InvalidParameter('got more than one value for filter key "dangling"')
    ordinary = all(any(tests[key](v) for v in values) for key, values in filters.items() if key in tests)
    return ordinary and labels_pass(dict(network.labels), filters)


def _is_type(network: Network, kind: str) -> bool:
    if kind not in ("custom", "builtin"):
        raise InvalidParameter(f"invalid filter: 'type'='{kind}'")
    return (network.name in PREDEFINED) == (kind == "builtin")


def _is_dangling(network: Network, endpoints: Sequence[Endpoint], value: str) -> bool:
    truth = {"1": True, "true": True, "0": False, "false": False}.get(value)
    if truth is None:
        raise InvalidParameter(
            'invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")'
        )
    return (network.name not in PREDEFINED and not endpoints) == truth
