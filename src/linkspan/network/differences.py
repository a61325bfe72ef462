"""The differences between store, blueprint and host, each with the step that repairs it.

The start of the daemon repairs all of them before the first request; `linkspan doctor` looks for them, and
repairs them if asked to, while nobody else changes anything (see KeyedLocks.alone).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from linkspan.blueprint.listeners import Listener
from linkspan.blueprint.parts import Address, Bridge, Part, Route, Sysctl, VethPair
from linkspan.model.addresses import Address as IpAddress
from linkspan.model.sandbox import Sandbox
from linkspan.network.adapters import Kernel, Proxy
from linkspan.network.names import owner
from linkspan.network.parent_options import adopted_link
from linkspan.network.registry import Registry
from linkspan.network.settings import NetworkSettings
from linkspan.network.standing import lost
from linkspan.network.surroundings import is_mounted
from linkspan.network.wanted import Wanted
from linkspan.path.proxy.sockets import described
from linkspan.store.database import Intent

FORWARDING = Sysctl("net.ipv4.ip_forward", "1")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that should be on the host and is not (`stray` False), or is ours and belongs to nothing.

    `stray` None: `what` is a whole sentence. `repair` None: not ours to repair; `remedy` says what to do.
    """

    what: str
    stray: bool | None
    repair: Callable[[], object] | None
    remedy: str = ""

    @property
    def text(self) -> str:
        """Return one line for a person."""
        if self.stray is None:
            return self.what
        return f"{self.what} {'belongs to nothing' if self.stray else 'is missing'}"


class Differences:
    """Looks for differences; what it finds holds as long as nobody changes anything."""

    def __init__(
        self, registry: Registry, kernel: Kernel, proxy: Proxy, wanted: Wanted, settings: NetworkSettings
    ) -> None:
        self._registry = registry
        self._kernel = kernel
        self._proxy = proxy
        self._wanted = wanted
        self._settings = settings

    def links(self, intents: Iterable[Intent] = ()) -> Iterator[Difference]:
        """Yield links that are ours and belong to nothing.

        One that was made, and not yet marked with its owner, is known from the intent.
        """
        known = {network.id for network in self._registry.networks()}
        known |= {endpoint.id for sandbox in self._registry.sandboxes() for endpoint in sandbox.endpoints}
        begun = {name for intent in intents for name in intent.document.get("links", ())}
        for link in self._kernel.links():
            mark = owner(link.alias)
            if mark is None and not link.alias and link.name in begun:
                mark = ("network" if link.kind == "bridge" else "endpoint"), ""
            if mark is not None and mark[1] not in known:
                doomed = _doomed(mark[0], link.name)
                yield Difference(f"link {link.name}", True, partial(self._kernel.remove, [doomed]))

    def namespaces(self) -> Iterator[Difference]:
        """Yield network namespaces of no sandbox."""
        keys = {sandbox.key for sandbox in self._registry.sandboxes()}
        directory = self._settings.exec_root / "netns"
        for path in sorted(directory.iterdir()) if directory.is_dir() else ():
            if str(path) not in keys:
                remove = partial(self._kernel.remove_sandbox, path)
                yield Difference(f"network namespace {path}", True, remove)

    def listeners(self) -> Iterator[Difference]:
        """Yield host sockets that nobody publishes any more, then those that are missing."""
        wanted = {
            single: sandbox
            for sandbox in self._registry.sandboxes()
            for listener in self._wanted.listeners(sandbox)
            for single in _singles(listener)
        }
        held = {single for listener in self._proxy.listeners() for single in _singles(listener)}
        for single in sorted(held - wanted.keys(), key=str):
            close = partial(self._proxy.close, [single])
            yield Difference(f"host socket {_shown(single)}", True, close)
        unheld: dict[str, list[Listener]] = {}
        for single, sandbox in wanted.items():
            if single not in held:
                unheld.setdefault(sandbox.container.name, []).append(single)
        for name, missing in unheld.items():
            shown = ", ".join(map(_shown, missing[:5])) + (", …" if len(missing) > 5 else "")
            yield Difference(f"host socket {shown} of {name}", False, partial(self._listen, missing))

    def _listen(self, listeners: list[Listener]) -> None:
        self._proxy.serve(self._proxy.reserve(listeners, absent=True))

    def leases(self) -> Iterator[Difference]:
        """Yield addresses that are leased to no endpoint (a request was interrupted)."""
        owners = {endpoint.id for sandbox in self._registry.sandboxes() for endpoint in sandbox.endpoints}
        for network in self._registry.networks():
            for address, endpoint_id in self._registry.store.leases(network.id).items():
                if endpoint_id not in owners:
                    what = f"lease of {address} on network {network.name}"
                    yield Difference(what, True, partial(self._release, network.id, address))

    def _release(self, network_id: str, address: IpAddress) -> None:
        self._registry.store.release(network_id, address)
        self._registry.give_back(network_id, address)

    def networks(self) -> Iterator[Difference]:
        """Yield what of the networks' own links and addresses the host lacks."""
        for network in self._registry.networks():
            if (needed := adopted_link(network)) and self._kernel.link(needed) is None:
                remedy = "it was not made by Linkspan: make it again, or remove the network"
                what = f"link {needed} of network {network.name}"
                yield Difference(what, False, None, remedy)
            elif absent := lost(self._kernel, self._wanted.network_parts(network)):
                what = f"link or address of network {network.name}"
                yield Difference(what, False, partial(self._kernel.apply, absent))

    def insides(self, loose: Collection[str]) -> Iterator[Difference]:
        """Yield addresses and routes that containers lack inside; not of those that are `loose` (by id)."""
        for sandbox in self._registry.sandboxes():
            if not sandbox.key or sandbox.container.id in loose:
                continue
            if not is_mounted(Path(sandbox.key)):
                what = f"network namespace of {sandbox.container.name}"
                yield Difference(what, False, None, f"docker restart {sandbox.container.name}")
                continue
            for part in self._absent(sandbox):
                what = f"{_described(part)} of {sandbox.container.name}"
                yield Difference(what, False, partial(self._kernel.apply, [part]))

    def _absent(self, sandbox: Sandbox) -> Iterator[Address | Route]:
        links = {link.name: link.index for link in self._kernel.links(sandbox.key)}
        ways = {
            (route.gateway, route.link)
            for route in self._kernel.routes(sandbox.key)
            if route.destination.prefixlen == 0
        }
        for part in self._wanted.sandbox_parts(sandbox):
            index = links.get(getattr(part, "link", ""), 0)
            if isinstance(part, Address) and part.sandbox and index:
                stands = part.interface in self._kernel.addresses(part.link, sandbox.key)
            elif isinstance(part, Route) and part.destination is None and part.gateway is not None and index:
                stands = (part.gateway, index) in ways
            else:
                continue
            if not stands:
                yield part


def _shown(listener: Listener) -> str:
    return described(listener, listener.host_port)


def _described(part: Address | Route) -> str:
    if isinstance(part, Address):
        return f"address {part.interface} on {part.link}"
    return f"default route by {part.gateway} on {part.link}"


def _doomed(kind: str, name: str) -> Part:
    if kind == "network":
        return Bridge(name)
    return VethPair(name, "", "", "")


def _singles(listener: Listener) -> Iterator[Listener]:
    for offset in range(listener.count):
        yield replace(
            listener,
            host_port=listener.host_port + offset,
            target_port=listener.target_port + offset,
            count=1,
        )
