"""Networks: created and removed whole, their bridges and firewall facts with them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from linkspan.blueprint.steps import links_of
from linkspan.ipam.leases import Leases
from linkspan.ipam.pools import DEFAULT_POOLS, AddressPool, ula_pool
from linkspan.model.addresses import Subnet
from linkspan.model.errors import Conflict, Forbidden, LinkspanError, NotFound
from linkspan.model.network import Endpoint, Network, NetworkSpec
from linkspan.network.adapters import Filter, Kernel
from linkspan.network.config_networks import config_only, from_config
from linkspan.network.design import check_spec, design, with_defaults, with_families
from linkspan.network.dhcp import check_dhcp, require_lan
from linkspan.network.overlaps import refuse_overlaps
from linkspan.network.parent_options import DRIVERS
from linkspan.network.parents import with_parent
from linkspan.network.predefined import is_predefined
from linkspan.network.registry import NETWORK, Registry
from linkspan.network.remote.remote import Remote
from linkspan.network.settings import NetworkSettings
from linkspan.network.surroundings import resolver_subnets
from linkspan.network.undo import Undo, attempt_all
from linkspan.network.wanted import Wanted

log = logging.getLogger(__name__)


class Networks:
    """Creates and removes networks, on the host one after the other.

    While a plugin is asked no lock is held: the names and subnets of networks that come and go are claimed.
    """

    def __init__(
        self,
        registry: Registry,
        kernel: Kernel,
        firewall: Filter,
        settings: NetworkSettings,
        remote: Remote,
    ) -> None:
        self._remote = remote
        self._registry = registry
        self._kernel = kernel
        self._firewall = firewall
        self._settings = settings
        self._wanted = Wanted(registry.by_id, settings)
        self._lock = threading.Lock()
        self._claims: dict[str, NetworkSpec | Network] = {}

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Let nobody create or remove a network inside the `with` block."""
        with self._lock:
            yield

    @property
    def blocks(self) -> tuple[AddressPool, ...]:
        """Return the blocks that subnets are chosen from."""
        given = self._settings.default_address_pools or DEFAULT_POOLS
        if any(pool.base.version == 6 for pool in given):
            return given
        return (*given, ula_pool(self._registry.daemon_seed()))

    def in_use(self) -> list[Subnet]:
        """Return the prefixes that a chosen subnet must not overlap: routes and resolvers of the host."""
        return [*self._kernel.subnets_in_use(), *resolver_subnets()]

    def create(self, spec: NetworkSpec) -> Network:
        """Make a network and its bridge; on any error nothing of it is left."""
        wanted = self._claim(spec)
        try:
            if wanted.config_only:
                template = config_only(wanted)
                self._registry.add_network(template)
                return template
            with Undo() as undo:
                return self._make(wanted, undo)
        finally:
            self._disclaim(spec.name)

    def _claim(self, spec: NetworkSpec) -> NetworkSpec:
        """Check a request, keep its name, and return it with what templates and defaults add."""
        with self._lock:
            if spec.name in self._claims:
                raise Conflict(f"network with name {spec.name} already exists")
            existing = self._existing()
            check_spec(spec, existing)
            told = spec if spec.config_only else from_config(spec, existing)
            self._claims[spec.name] = told
        if spec.config_only:
            return spec
        return with_families(with_defaults(told, self._settings.default_network_options))

    def _disclaim(self, name: str) -> None:
        with self._lock:
            del self._claims[name]

    def _existing(self) -> list[Network]:
        """Return all networks, those that are being made or removed included."""
        claimed = [claim for claim in self._claims.values() if isinstance(claim, Network)]
        return [*self._registry.networks(), *claimed]

    def _make(self, wanted: NetworkSpec, undo: Undo) -> Network:
        check_dhcp(wanted)
        no_gateway = self._remote.families_without_gateway(wanted)
        pools = self._remote.pools(wanted, no_gateway, undo)
        with self._lock:
            existing = self._existing()
            network = design(wanted, existing, self.in_use(), self.blocks, pools, no_gateway)
            network = self._on_this_host(network, existing)
            self._claims[wanted.name] = network
            intent = self._build(network, undo)
        network = self._remote.create(network, undo)
        with self._registry.store.transaction():
            self._registry.add_network(network)
            self._registry.store.finish(intent)
        return network

    def _on_this_host(self, network: Network, existing: list[Network]) -> Network:
        """Return a designed network with what the host has for it; raises what it cannot have here."""
        if network.driver in DRIVERS:
            return with_parent(network, existing, self._kernel)
        if network.driver == "bridge":
            network = self._found(replace(network, mtu=self._kernel.uplink_mtu()))
            require_lan(network)
            refuse_overlaps(network, self._kernel.ways())
        return network

    def _found(self, network: Network) -> Network:
        """Adopt the bridge of that name that the host may have already, with what it has."""
        if (link := self._kernel.link(network.bridge)) is None:
            return network
        if link.kind != "bridge":
            raise Forbidden(f"existing interface {network.bridge} is not a bridge")
        return replace(
            network,
            adopted=True,
            mtu=link.mtu,
            foreign_addresses=tuple(self._kernel.addresses(network.bridge)),
        )

    def _build(self, network: Network, undo: Undo) -> int:
        """Make what the host has of a network; returns the intent in the store."""
        store = self._registry.store
        facts, parts = self._wanted.network_facts(network), self._wanted.network_parts(network)
        links = [name for part in parts for sandbox, name in links_of(part) if not sandbox]
        intent = store.begin("create network", {"network": network.id, "links": links})
        undo.push(store.finish, intent)
        self._firewall.add(facts)
        undo.push(self._firewall.remove, facts)
        if network.enable_ipv6 and self._settings.ip_forward:
            self._kernel.keep_advertised_routes()
        self._kernel.apply(parts)
        undo.push(self._kernel.remove, parts)
        return intent

    def remove(self, reference: str) -> Network:
        """Remove a network and its bridge; goes on after errors and raises an ExceptionGroup at the end.

        A network that its plugin does not let go stays as it is; one whose plugin is gone for good goes.
        """
        with self._lock, self._registry.lock:
            network = self._registry.find(reference)
            self._refuse_removal(network)
            leases = self._registry.withdraw(network)
            self._claims[network.name] = network
        try:
            self._let_go(network, leases)
            problems = self._take_down(network)
        finally:
            self._disclaim(network.name)
        if problems:
            raise ExceptionGroup(f"removing network {network.name}", problems)
        return network

    def _refuse_removal(self, network: Network) -> None:
        if is_predefined(network):
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        if members := self._registry.members(network.id):
            raise Forbidden(_in_use(network, members))
        others: list[NetworkSpec | Network] = [*self._registry.networks(), *self._claims.values()]
        if any(other.config_from == network.name for other in others):
            raise Forbidden(f'configuration network "{network.name}" is in use')

    def _let_go(self, network: Network, leases: dict[int, Leases]) -> None:
        try:
            self._remote.delete(network)
        except NotFound as error:
            log.warning("network %s is removed without its plugin: %s", network.name, error)
        except LinkspanError:
            self._registry.restore(network, leases)
            raise

    def _take_down(self, network: Network) -> list[Exception]:
        intent = self._registry.store.begin("remove network", {"network": network.id})
        parts, facts = self._wanted.network_parts(network), self._wanted.network_facts(network)
        with self._lock:
            problems = attempt_all(
                (partial(self._kernel.remove, parts), partial(self._firewall.remove, facts))
            )
        released = partial(self._remote.release_pools, network)
        return problems + attempt_all((released, partial(self._forget, network, intent)))

    def _forget(self, network: Network, intent: int) -> None:
        with self._registry.store.transaction():
            self._registry.store.delete(NETWORK, network.id)
            self._registry.store.finish(intent)


def _in_use(network: Network, members: list[Endpoint]) -> str:
    listed = ", ".join(f'name:"{member.container_name}" id:"{member.id[:12]}"' for member in members)
    return f"error while removing network: network {network.name} has active endpoints ({listed})"
