"""The default bridge network: docker0 with its subnet, or the existing bridge that --bridge names."""

from __future__ import annotations

from ipaddress import IPv4Interface

from linkspan.blueprint.parts import Address, Part
from linkspan.ipam import pools
from linkspan.model.addresses import Subnet
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Network, Pool
from linkspan.network.adapters import Kernel
from linkspan.network.drivers.bridge import bridge_addresses, network_parts
from linkspan.network.networks import Networks
from linkspan.network.predefined import BRIDGE_NETWORK, default_bridge, pool_of
from linkspan.network.registry import NETWORK, Registry
from linkspan.network.settings import NetworkSettings


class DefaultBridge:
    """Decides at start what the network "bridge" is, and clears away what it was."""

    def __init__(
        self, registry: Registry, kernel: Kernel, networks: Networks, settings: NetworkSettings
    ) -> None:
        self._registry = registry
        self._kernel = kernel
        self._networks = networks
        self._settings = settings

    def prepare(self) -> None:
        """Write down the network "bridge" as the settings want it now; raises InvalidParameter."""
        former = self._registry.named(BRIDGE_NETWORK)
        if not self._settings.has_default_bridge:
            if former is not None:
                self._clear(former, network_parts(former, self._settings))
                self._registry.withdraw(former)
                self._registry.store.delete(NETWORK, former.id)
            return
        network = self._decide(former)
        if former == network:
            return
        if former is not None and former.bridge != network.bridge:
            self._clear(former, network_parts(former, self._settings))
        elif former is not None:
            kept = set(bridge_addresses(network))
            gone = [a for a in bridge_addresses(former) if a not in kept]
            self._clear(former, tuple(Address(former.bridge, interface) for interface in gone))
        self._registry.add_network(network)

    def _clear(self, former: Network, parts: tuple[Part, ...]) -> None:
        if parts and self._kernel.link(former.bridge) is not None:
            self._kernel.remove(parts)

    def _decide(self, former: Network | None) -> Network:
        settings = self._settings
        name = settings.default_bridge_name
        present = self._kernel.link(name)
        adopted = bool(settings.bridge)
        if adopted and present is None:
            raise InvalidParameter(f"bridge device with non default name {name} must be created manually")
        bip = settings.bip
        if bip is None and present is not None and (former is None or former.bridge != name):
            bip = self._own_address(name)
        chosen = self._former_pool(former, present is not None) if bip is None else None
        if chosen is None:
            chosen = Pool(bip.network if bip is not None else self._choose(former))
        return default_bridge(settings, former, pool_of(settings, bip, chosen), adopted)

    def _own_address(self, name: str) -> IPv4Interface | None:
        return next(
            (address for address in self._kernel.addresses(name) if isinstance(address, IPv4Interface)), None
        )

    def _former_pool(self, former: Network | None, present: bool) -> Pool | None:
        """Return the pool that the network had, if no other route of the host is in the way."""
        pool = former.pool(4) if former is not None else None
        if pool is None or former is None or former.bridge != self._settings.default_bridge_name:
            return None
        blocked = not present and any(
            pool.subnet.overlaps(s) for s in self._networks.in_use() if s.version == 4
        )
        return None if blocked else Pool(pool.subnet, pool.gateway)

    def _choose(self, former: Network | None) -> Subnet:
        theirs = [
            pool.subnet
            for network in self._registry.networks()
            if network is not former
            for pool in network.pools
        ]
        return pools.choose([*theirs, *self._networks.in_use()], self._networks.blocks)
