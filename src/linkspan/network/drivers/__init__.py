"""Drivers: pure functions from (network, endpoint) to the parts and facts that the kernel must hold."""

from __future__ import annotations

from typing import Protocol

from linkspan.blueprint.facts import Fact
from linkspan.blueprint.parts import Part
from linkspan.model.network import Endpoint, Network
from linkspan.network.drivers import bridge, host, null, parented, remote
from linkspan.network.settings import NetworkSettings


class Driver(Protocol):
    """What every driver module offers."""

    def network_parts(self, network: Network, settings: NetworkSettings) -> tuple[Part, ...]: ...
    def network_facts(self, network: Network, settings: NetworkSettings) -> tuple[Fact, ...]: ...
    def endpoint_parts(
        self, network: Network, endpoint: Endpoint, settings: NetworkSettings
    ) -> tuple[Part, ...]: ...
    def endpoint_facts(
        self, network: Network, endpoint: Endpoint, settings: NetworkSettings
    ) -> tuple[Fact, ...]: ...


_DRIVERS: dict[str, Driver] = {
    "bridge": bridge,
    "host": host,
    "ipvlan": parented,
    "macvlan": parented,
    "null": null,
}


def driver_names() -> tuple[str, ...]:
    """Return the names of the drivers there are, as `docker info` lists them."""
    return tuple(_DRIVERS)


def driver(name: str) -> Driver:
    """Return the driver called `name`, that of plugins for a name that is none of ours."""
    return _DRIVERS.get(name, remote)


def is_remote(name: str) -> bool:
    """Tell whether a driver is a plugin's."""
    return name not in _DRIVERS
