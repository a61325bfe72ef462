"""The resolver of all sandboxes: opens their sockets, keeps their servers, tells them when names change."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from linkspan.path.dns import redirect
from linkspan.path.dns.batch import Batch
from linkspan.path.dns.cache import Cache
from linkspan.path.dns.memory import PortMemory
from linkspan.path.dns.server import SandboxServer, Sockets, open_sockets
from linkspan.path.dns.upstream import Forwarder
from linkspan.path.dns.view import SandboxView, Upstream
from linkspan.path.dns.zone import Zone

Group = tuple[str, tuple[Upstream, ...]]  # the namespace ("" if none of the servers needs it) and the servers


class Resolver:
    """Answers the DNS queries of every sandbox on one event loop.

    `in_sandbox` runs a function in a namespace given by its path (HostKernel.in_sandbox). All methods are
    called from the event loop; the zone may be changed from any thread.
    """

    def __init__(
        self, zone: Zone, in_sandbox: Callable[[str, Callable[[], object]], object], memory: PortMemory
    ) -> None:
        self.zone = zone
        self._memory = memory
        self._in_sandbox = in_sandbox
        self._servers: dict[str, SandboxServer] = {}
        self._groups: dict[Group, tuple[Forwarder, Cache]] = {}
        self._batch = Batch()
        self._loop = asyncio.get_running_loop()
        zone.watch(self._on_change)

    async def add_sandbox(self, key: str, view: SandboxView) -> None:
        """Open the sockets inside `view.sandbox`, lead 127.0.0.11:53 there and answer; an earlier `key` goes.

        Raises KernelError when the rules cannot be written, OSError when the namespace cannot be entered.
        """
        self.remove_sandbox(key)
        sockets = await asyncio.shield(asyncio.to_thread(self._prepare, key, view.sandbox))
        server = SandboxServer(sockets, self._batch, self.zone, view, *self._group(view))
        self.remove_sandbox(key)
        self._servers[key] = server
        server.start()

    def update(self, key: str, view: SandboxView) -> None:
        """Take over another view of the sandbox `key` (networks or servers changed); unknown: no error."""
        server = self._servers.get(key)
        if server:
            if _place(server.view) != _place(view):
                self._forget_group(server.view, key)
            server.change(view, *self._group(view))

    def remove_sandbox(self, key: str) -> None:
        """Close the sandbox's sockets, so that its namespace can go; unknown ones are fine."""
        if server := self._servers.pop(key, None):
            server.close()
            self._forget_group(server.view, key)

    def close(self) -> None:
        """Stop answering; the rules of the sandboxes stay, for the next daemon to find."""
        for key in list(self._servers):
            self.remove_sandbox(key)
        self.zone.unwatch(self._on_change)

    def _prepare(self, key: str, sandbox: str) -> Sockets:
        def inside() -> Sockets:
            if former := self._memory.reopened(key):
                return former
            sockets = open_sockets()
            try:
                redirect.install(*sockets.ports())
                self._memory.remember(key, sockets)
            except BaseException:
                sockets.close()
                raise
            return sockets

        opened = self._in_sandbox(sandbox, inside)
        assert isinstance(opened, Sockets)
        return opened

    def _group(self, view: SandboxView) -> tuple[Forwarder, Cache]:
        """Return the forwarder and cache of all sandboxes that ask the same servers from the same place."""
        group = _group_of(view)
        if group not in self._groups:
            self._groups[group] = Forwarder(group[1], self._opener(group[0])), Cache()
        return self._groups[group]

    def _forget_group(self, view: SandboxView, leaving: str) -> None:
        group = _group_of(view)
        others = (server.view for key, server in self._servers.items() if key != leaving)
        if group in self._groups and all(_group_of(other) != group for other in others):
            self._groups.pop(group)[0].close()

    def _opener(self, sandbox: str) -> Callable[[Upstream, int], Awaitable[socket.socket]]:
        async def open_socket(server: Upstream, kind: int) -> socket.socket:
            def make() -> socket.socket:
                family = socket.AF_INET6 if server.address.version == 6 else socket.AF_INET
                return socket.socket(family, kind | socket.SOCK_NONBLOCK)

            if not server.from_sandbox:
                return make()
            opened = await asyncio.to_thread(self._in_sandbox, sandbox, make)
            assert isinstance(opened, socket.socket)
            return opened

        return open_socket

    def _on_change(self, network_id: str) -> None:
        self._loop.call_soon_threadsafe(self._flush, network_id)

    def _flush(self, network_id: str) -> None:
        for server in self._servers.values():
            if network_id in server.view.networks:
                server.flush()


def _place(view: SandboxView) -> tuple[Group, tuple[str, ...]]:
    """Servers asked from the sandbox are asked anew when its networks change: its address may have."""
    group = _group_of(view)
    return group, view.networks if group[0] else ()


def _group_of(view: SandboxView) -> Group:
    servers = view.usable_upstreams()
    return (view.sandbox if any(server.from_sandbox for server in servers) else ""), servers
