"""Start of the daemon: the store says what should be, the kernel what is; the difference is repaired."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from linkspan.blueprint.facts import Fact
from linkspan.blueprint.listeners import Listener
from linkspan.blueprint.parts import Bridge, Part, Sysctl, VethPair
from linkspan.model.errors import LinkspanError
from linkspan.model.sandbox import Sandbox
from linkspan.network.adapters import Filter, Kernel, Proxy
from linkspan.network.default_bridge import DefaultBridge
from linkspan.network.hotplug import Hotplug
from linkspan.network.linked import link_facts
from linkspan.network.names import owner
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

FORWARDING = Sysctl("net.ipv4.ip_forward", "1")


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
        self._proxy = proxy
        self._publisher = publisher
        self._sandboxes = sandboxes
        self._hotplug = hotplug
        self._settings = settings
        self._wanted = Wanted(registry.by_id, settings)
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
        """Remove links and namespaces that are ours and belong to nothing.

        A link that was made, and not yet marked with its owner, is known from the intent.
        """
        known = {network.id for network in self._registry.networks()}
        known |= {endpoint.id for sandbox in self._registry.sandboxes() for endpoint in sandbox.endpoints}
        begun = {name for intent in intents for name in intent.document.get("links", ())}
        stale: list[Part] = []
        for link in self._kernel.links():
            mark = owner(link.alias)
            if mark is None and not link.alias and link.name in begun:
                mark = ("network" if link.kind == "bridge" else "endpoint"), ""
            if mark is not None and mark[1] not in known:
                stale.append(_doomed(mark[0], link.name))
        if stale:
            log.info("removing %d links that belong to nothing", len(stale))
            self._kernel.remove(stale)
        self._sweep_namespaces()

    def _sweep_namespaces(self) -> None:
        keys = {sandbox.key for sandbox in self._registry.sandboxes()}
        directory = self._settings.exec_root / "netns"
        for path in sorted(directory.iterdir()) if directory.is_dir() else ():
            if str(path) not in keys:
                self._kernel.remove_sandbox(path)

    def _restore_listeners(self) -> None:
        """Close host sockets that nobody publishes any more, and bind those that are missing."""
        wanted = {
            single: sandbox
            for sandbox in self._registry.sandboxes()
            for listener in self._wanted.listeners(sandbox)
            for single in _singles(listener)
        }
        held = {single for listener in self._proxy.listeners() for single in _singles(listener)}
        if stale := [single for single in held if single not in wanted]:
            self._proxy.close(stale)
        unheld: dict[str, list[Listener]] = {}
        for single, sandbox in wanted.items():
            if single not in held:
                unheld.setdefault(sandbox.container.id, []).append(single)
        for container_id, listeners in unheld.items():
            self._listen_again(self._registry.sandbox(container_id), listeners)

    def _listen_again(self, sandbox: Sandbox | None, listeners: list[Listener]) -> None:
        try:
            self._proxy.serve(self._proxy.reserve(listeners))
        except (LinkspanError, OSError) as error:
            name = sandbox.container.name if sandbox is not None else ""
            log.error("the published ports of %s cannot be held again: %s", name, error)

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
        owners = {endpoint.id for sandbox in self._registry.sandboxes() for endpoint in sandbox.endpoints}
        for network in self._registry.networks():
            for address, endpoint_id in self._registry.store.leases(network.id).items():
                if endpoint_id not in owners:
                    self._registry.store.release(network.id, address)
                    self._registry.give_back(network.id, address)


def _tolerating(attempt: str, step: Callable[[], None]) -> None:
    """Run a repair; what it cannot do is logged, and keeps nobody from using the rest."""
    try:
        step()
    except (LinkspanError, OSError, ExceptionGroup) as error:
        log.error("%s: %s", attempt, error)


def _doomed(kind: str, name: str) -> Part:
    if kind == "network":
        return Bridge(name)
    return VethPair(name, "", "", "")


def _singles(listener: Listener) -> Iterable[Listener]:
    for offset in range(listener.count):
        yield replace(
            listener,
            host_port=listener.host_port + offset,
            target_port=listener.target_port + offset,
            count=1,
        )
