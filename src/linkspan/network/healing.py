"""Someone else's hands: what they took of our links, addresses and rules is put back, or told with a remedy.

Everything is compared with the blueprint, under the locks of those who change it, so that a container that is
just being removed is not mended. What somebody removes again and again is given up for a while, and told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from functools import partial

from linkspan.blueprint.parts import LinkUp, Part, Route, SubLink, VethPair
from linkspan.kernel.notices import Change
from linkspan.model.errors import LinkspanError
from linkspan.model.network import Endpoint, Network
from linkspan.model.sandbox import Sandbox
from linkspan.network.adapters import Filter, Kernel, LinkState
from linkspan.network.differences import FORWARDING
from linkspan.network.locks import KeyedLocks
from linkspan.network.networks import Networks
from linkspan.network.overlaps import collisions
from linkspan.network.parent_options import adopted_link
from linkspan.network.patience import TIMES, WITHIN, Patience
from linkspan.network.registry import Registry
from linkspan.network.standing import lost
from linkspan.network.wanted import Wanted

log = logging.getLogger(__name__)


class Healing:
    """Mends the host; called from one thread at a time. What is `postponed` waits for WITHIN seconds."""

    def __init__(
        self,
        registry: Registry,
        kernel: Kernel,
        firewall: Filter,
        wanted: Wanted,
        networks: Networks,
        locks: KeyedLocks,
    ) -> None:
        self._registry = registry
        self._kernel = kernel
        self._firewall = firewall
        self._wanted = wanted
        self._networks = networks
        self._locks = locks
        self._patience = Patience()
        self.postponed: set[str] = set()
        self._told: set[str] = set()

    def heal(self, changes: Collection[Change]) -> float:
        """Look at what `changes` may have touched and put it right.

        What cannot be repaired is logged, with what to do. Returns in how many seconds to look again, 0 for
        never: there is something that is taken away again and again.
        """
        repairs = 0
        if Change.LINKS in changes or Change.ADDRESSES in changes:
            with self._networks.unchanged():
                repairs += sum(self._mend_network(network) for network in self._registry.networks())
        if Change.LINKS in changes:
            repairs += self._mend_sandboxes()
        if Change.RULES in changes or repairs:
            repairs += self._mend("the firewall rules", self._firewall.heal)
        if Change.FORWARDING in changes and self._wanted.settings.ip_forward:
            self._mend("net.ipv4.ip_forward=1 (leave it to others with --ip-forward=false)", self._forward)
        if Change.ROUTES in changes:
            self._warn_of_routes()
        return WITHIN if self.postponed else 0

    def _mend(self, what: str, repair: Callable[[], bool]) -> int:
        """Run a repair that tells whether there was something to do, unless it was in vain too often."""
        if what in self.postponed and not self._patience.lasts(what):
            return 0
        self.postponed.discard(what)
        try:
            if not repair():
                return 0
        except (LinkspanError, OSError, ExceptionGroup) as error:
            log.error("%s were damaged by somebody else, and cannot be put right: %s", what, error)
            return 0
        log.warning("%s had been removed by somebody else: put back", what)
        if not self._patience.lasts(what):
            self.postponed.add(what)
            log.error(
                "%s have been removed more than %d times in %.0f s: put back once in that time from now on;"
                " find the program that does it (`ip monitor`, `nft monitor`) and stop it",
                what,
                TIMES,
                WITHIN,
            )
        return 1

    def _forward(self) -> bool:
        if self._kernel.forwards():
            return False
        self._kernel.apply((FORWARDING,))
        return True

    def _mend_network(self, network: Network) -> int:
        parts = self._wanted.network_parts(network)
        if (needed := adopted_link(network)) and self._kernel.link(needed) is None:
            self._tell(
                f"the link {needed} of network {network.name} is gone, and not linkspan's to make:"
                " make it again, or remove the network"
            )
            return 0

        def repair() -> bool:
            absent = lost(self._kernel, parts)
            self._kernel.apply((*absent, *self._ways_over(network, absent)))
            return bool(absent)

        return self._mend(f"links or addresses of network {network.name}", repair)

    def _ways_over(self, network: Network, links: Collection[Part]) -> list[Route]:
        """Return the host's routes to containers of a network over links that are made again."""
        names = {part.name for part in links if isinstance(part, SubLink)}
        if not names:
            return []
        endpoints = [e for sandbox in self._registry.sandboxes() for e in sandbox.endpoints]
        parts = [p for e in endpoints if e.network_id == network.id for p in self._wanted.endpoint_parts(e)]
        return [p for p in parts if isinstance(p, Route) and not p.sandbox and p.link in names]

    def _mend_sandboxes(self) -> int:
        repairs = 0
        for sandbox in self.loose():
            name = f"links of container {sandbox.container.name}"
            repairs += self._mend(name, partial(self.plug, sandbox.container.id))
        return repairs

    def loose(self) -> list[Sandbox]:
        """Return the sandboxes of which a link is gone, down, or pulled out of its bridge."""
        links = {link.name: link for link in self._kernel.links()}
        sandboxes = self._registry.sandboxes()
        return [s for s in sandboxes if any(self._is_loose(endpoint, links) for endpoint in s.endpoints)]

    def _is_loose(self, endpoint: Endpoint, links: dict[str, LinkState]) -> bool:
        """Tell whether an endpoint's veth pair is gone, down, or pulled out of its bridge."""
        pair = self._pair(endpoint)
        if pair is None:
            return False
        link, bridge = links.get(pair.host_name), links.get(pair.bridge)
        if link is None:
            return True
        return not link.up or (bridge is not None and link.master != bridge.index)

    def _pair(self, endpoint: Endpoint) -> VethPair | None:
        if not endpoint.host_link or self._registry.known(endpoint.network_id) is None:
            return None
        parts = self._wanted.endpoint_parts(endpoint)
        return next((part for part in parts if isinstance(part, VethPair)), None)

    def plug(self, container_id: str) -> bool:
        """Plug a container in again; a new pair has the name, MAC and addresses of the one that is gone."""
        with self._locks.hold(container_id):
            sandbox = self._registry.sandbox(container_id)
            if sandbox is None:
                return False
            links = {link.name: link for link in self._kernel.links()}
            loose = [endpoint for endpoint in sandbox.endpoints if self._is_loose(endpoint, links)]
            for endpoint in loose:
                self._plug_in(endpoint, links)
            self._turn_routes(sandbox, [e for e in loose if e.host_link not in links])
            return bool(loose)

    def _plug_in(self, endpoint: Endpoint, links: Collection[str]) -> None:
        pair = self._pair(endpoint)
        if pair is None:
            return
        if pair.host_name in links:
            self._kernel.plug(pair.host_name, pair.bridge)
            self._kernel.apply((LinkUp(pair.host_name),))
        else:
            self._kernel.apply(self._wanted.endpoint_parts(endpoint))

    def _turn_routes(self, sandbox: Sandbox, fresh: list[Endpoint]) -> None:
        if fresh:
            self._kernel.remove(self._wanted.all_default_routes(sandbox.endpoints))
            self._kernel.apply(self._wanted.routes(sandbox.endpoints))
            self._kernel.announce(self._wanted.announcements(tuple(fresh)))

    def _warn_of_routes(self) -> None:
        """Tell of routes that lead into a network's subnet: which of the two is meant only a person knows."""
        ways = self._kernel.ways()
        for network in self._registry.networks():
            for subnet, way in collisions(network, ways):
                self._tell(
                    f"the route {way} leads into {subnet}, the subnet of network {network.name}: containers"
                    " or what the route leads to cannot be reached; make the network again with another"
                    " --subnet, or take the route away"
                )

    def _tell(self, warning: str) -> None:
        if warning not in self._told:
            self._told.add(warning)
            log.warning("%s", warning)
