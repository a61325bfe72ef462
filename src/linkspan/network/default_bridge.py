"""The default bridge network: docker0 with its subnet, or the existing bridge that --bridge names."""

from __future__ import annotations

from dataclasses import replace

from linkspan.blueprint.parts import Address, Part
from linkspan.ipam import pools
from linkspan.model.addresses import Subnet
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Network, Pool
from linkspan.network.adapters import Kernel
from linkspan.network.drivers.bridge import bridge_addresses, network_parts
from linkspan.network.networks import Networks
from linkspan.network.options import DEFAULT_MTU
from linkspan.network.predefined import BRIDGE_NETWORK, Wish, default_bridge, fitted, pool_of, wishes
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
            kept.update(former.foreign_addresses)
            gone = [a for a in bridge_addresses(former) if a not in kept]
            self._clear(former, tuple(Address(former.bridge, interface) for interface in gone))
        self._registry.add_network(network)

    def _clear(self, former: Network, parts: tuple[Part, ...]) -> None:
        if parts and self._kernel.link(former.bridge) is not None:
            self._kernel.remove(parts)

    def _decide(self, former: Network | None) -> Network:
        settings = self._settings
        name = settings.default_bridge_name
        present = self._kernel.link(name) is not None
        adopted = bool(settings.bridge)
        if adopted and not present:
            raise InvalidParameter(f"bridge device with non default name {name} must be created manually")
        same = former if former is not None and former.bridge == name else None
        pools = tuple(pool_of(wish, self._base(wish, same, present)) for wish in wishes(settings))
        mtu = self._kernel.uplink_mtu() or DEFAULT_MTU
        network = default_bridge(settings, former, pools, adopted, mtu)
        if not adopted:
            return network
        found = tuple(self._kernel.addresses(name)) if same is None else same.foreign_addresses
        return replace(network, foreign_addresses=found)

    def _base(self, wish: Wish, former: Network | None, present: bool) -> Pool:
        """Return subnet and address of one family: as told, as they are, or else newly chosen."""
        if wish.bridge_address is not None:
            return Pool(wish.bridge_address.network, gateway=wish.bridge_address.ip)
        if former is None or self._settings.bridge:
            known = self._own_pool(wish) if present else None
        else:
            known = self._former_pool(former, wish.version, present)
        if (base := fitted(wish, known) if not self._settings.bridge else known) is not None:
            return base
        return Pool(wish.fixed if wish.fixed is not None else self._choose(former, wish.version))

    def _own_pool(self, wish: Wish) -> Pool | None:
        """Return what an existing bridge's address says; one that holds the fixed range comes first."""
        found = [
            address
            for address in self._kernel.addresses(self._settings.default_bridge_name)
            if address.version == wish.version and not (address.version == 6 and address.ip.is_link_local)
        ]
        fixed = wish.fixed
        if fixed is not None:
            found.sort(key=lambda address: fixed.network_address not in address.network)
        return Pool(found[0].network, gateway=found[0].ip) if found else None

    def _former_pool(self, former: Network, version: int, present: bool) -> Pool | None:
        """Return the pool that the network had, if no other route of the host is in the way."""
        pool = former.pool(version)
        if pool is None:
            return None
        in_use = self._networks.in_use()
        blocked = not present and any(pool.subnet.overlaps(s) for s in in_use if s.version == version)
        return None if blocked else Pool(pool.subnet, pool.gateway)

    def _choose(self, former: Network | None, version: int) -> Subnet:
        theirs = [
            pool.subnet
            for network in self._registry.networks()
            if network is not former
            for pool in network.pools
        ]
        return pools.choose([*theirs, *self._networks.in_use()], self._networks.blocks, version)
