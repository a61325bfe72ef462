"""Start of the daemon: the store says what should be, the kernel what is; the difference is repaired."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from linkspan.blueprint.facts import Fact
from linkspan.blueprint.parts import Part
from linkspan.model.errors import LinkspanError
from linkspan.network.adapters import Filter, Kernel, Proxy
from linkspan.network.default_bridge import DefaultBridge
from linkspan.network.differences import FORWARDING, Difference, Differences
from linkspan.network.hotplug import Hotplug
from linkspan.network.linked import link_facts
from linkspan.network.networks import Networks
from linkspan.network.predefined import BRIDGE_NETWORK, HOST_NETWORK, NONE_NETWORK, simple_network
from linkspan.network.publishing import Publisher
from linkspan.network.registry import NETWORK, Registry
from linkspan.network.sandboxes import Sandboxes
from linkspan.network.settings import NetworkSettings
from linkspan.network.standing import missing
from linkspan.network.surroundings import is_mounted
from linkspan.network.wanted import Wanted
from linkspan.store.database import Intent

log = logging.getLogger(__name__)


class Recovery:
    """Brings host and records together, once, before the first request."""

    def __init__(
        self,
        registry: Registry,
        kernel: Kernel,
        firewall: Filter,
        proxy: Proxy,
        publisher: Publisher,
        sandboxes: Sandboxes,
        hotplug: Hotplug,
        networks: Networks,
        settings: NetworkSettings,
    ) -> None:
        self._registry = registry
        self._kernel = kernel
        self._firewall = firewall
        self._publisher = publisher
        self._sandboxes = sandboxes
        self._hotplug = hotplug
        self._settings = settings
        self._wanted = Wanted(registry.by_id, settings)
        self._differences = Differences(registry, kernel, proxy, self._wanted, settings)
        self._default_bridge = DefaultBridge(registry, kernel, networks, settings)

    def start(self) -> None:
        """Repair everything; raises LinkspanError when the host cannot be made ready."""
        self._registry.load()
        intents = self._registry.store.intents()
        self._finish_removals(intents)
        self._forget_dead()
        self._predefine()
        self._firewall.start(self._facts())
        if self._settings.ip_forward and any(n.enable_ipv6 for n in self._registry.networks()):
            self._kernel.keep_advertised_routes()
        for network in self._registry.networks():
            restore = partial(self._restore, self._wanted.network_parts(network))
            if network.adopted and network.name != BRIDGE_NETWORK:
                _tolerating(f"restoring network {network.name}", restore)
            else:
                restore()
        if self._settings.ip_forward:
            self._kernel.apply((FORWARDING,))
        _tolerating("removing what belongs to nothing", partial(self._sweep, intents))
        self._sandboxes.keep_leases()
        self._restore_listeners()
        self._free_leases()
        for intent in intents:
            _tolerating(f"finishing an interrupted {intent.kind}", partial(self._complete, intent))
        for intent in intents:
            self._registry.store.finish(intent.id)

    def _finish_removals(self, intents: Iterable[Intent]) -> None:
        """Go on with the removals that were begun; what was being built has no record and is swept away."""
        for intent in intents:
            if intent.kind == "remove network":
                self._registry.store.delete(NETWORK, intent.document["network"])
                if (network := self._registry.known(intent.document["network"])) is not None:
                    self._registry.withdraw(network)
            elif intent.kind == "leave" and (sandbox := self._registry.sandbox(intent.document["container"])):
                self._sandboxes.abandon(sandbox)

    def _forget_dead(self) -> None:
        """Forget the sandboxes whose namespace is gone (the host was restarted, somebody unmounted it)."""
        for sandbox in self._registry.sandboxes():
            lost = any(self._registry.known(endpoint.network_id) is None for endpoint in sandbox.endpoints)
            if lost or (sandbox.key and not is_mounted(Path(sandbox.key))):
                log.info("forgetting the sandbox of %s: its namespace is gone", sandbox.container.name)
                self._sandboxes.abandon(sandbox)
            else:
                self._publisher.hold(sandbox)

    def _predefine(self) -> None:
        for name in (HOST_NETWORK, NONE_NETWORK):
            existing = self._registry.named(name)
            if existing is None:
                self._registry.add_network(simple_network(name, None))
        self._default_bridge.prepare()

    def _facts(self) -> list[Fact]:
        """Return all that the packet filter must hold: networks first, then sandboxes."""
        facts = [f for network in self._registry.networks() for f in self._wanted.network_facts(network)]
        for sandbox in self._registry.sandboxes():
            facts += self._wanted.sandbox_facts(sandbox)
            holes = link_facts(self._registry, replace(sandbox, links=()))  # each pair once, from its child
            facts += holes
        return facts

    def _restore(self, parts: tuple[Part, ...]) -> None:
        """Make a network's bridge, or complete the one that is there."""
        if absent := missing(self._kernel, parts):
            self._kernel.apply(absent)

    def _sweep(self, intents: Iterable[Intent]) -> None:
        """Remove links and namespaces that are ours and belong to nothing."""
        _repair(self._differences.links(intents))
        _repair(self._differences.namespaces())

    def _restore_listeners(self) -> None:
        """Close host sockets that nobody publishes any more, and bind those that are missing."""
        _repair(self._differences.listeners())

    def _complete(self, intent: Intent) -> None:
        """Bring a sandbox that was being connected or disconnected to what its records say."""
        sandbox = self._registry.sandbox(intent.document.get("container", ""))
        if sandbox is None or intent.kind not in ("connect", "disconnect"):
            return
        self._kernel.remove(self._wanted.all_default_routes(sandbox.endpoints))
        self._kernel.apply(self._wanted.routes(sandbox.endpoints))
        leaving = [e for e in sandbox.endpoints if e.id == intent.document["endpoint"]]
        if intent.kind == "disconnect" and leaving:
            self._hotplug.disconnect(sandbox, leaving[0], force=True)

    def _free_leases(self) -> None:
        """Give back the addresses whose owner is no endpoint (a request was interrupted)."""
        _repair(self._differences.leases())


def _repair(differences: Iterable[Difference]) -> None:
    for difference in list(differences):
        if difference.repair is not None:
            log.info("%s: repairing", difference.text)
            _tolerating(f"{difference.text}, and cannot be repaired", difference.repair)


def _tolerating(attempt: str, step: Callable[[], object]) -> None:
    """Run a repair; what it cannot do is logged, and keeps nobody from using the rest."""
    try:
        step()
    except (LinkspanError, OSError, ExceptionGroup) as error:
        log.error("%s: %s", attempt, error)
