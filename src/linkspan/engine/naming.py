"""The names of containers: the files hosts, hostname and resolv.conf, and the embedded resolver's view.

The resolver lives in the daemon: while the daemon is away names do not resolve, and with its start they do
again (the sockets are opened anew inside the sandboxes). Source: moby libnetwork sandbox_dns_unix.go.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from linkspan.engine.egress import Egress
from linkspan.engine.files import HOST_HOSTS, Files, host_resolv, read, write
from linkspan.engine.links import (
    DEFAULT_BRIDGE,
    Link,
    bridge_address,
    legacy_links,
    link_environment,
    network_links,
)
from linkspan.engine.registry import Registry
from linkspan.engine.settings import DaemonSettings
from linkspan.model.addresses import Address
from linkspan.model.container import Container
from linkspan.model.errors import LinkspanError, NotFound
from linkspan.model.network import Endpoint
from linkspan.model.sandbox import Sandbox
from linkspan.network.controller import Controller
from linkspan.path.dns import hosts, resolvconf
from linkspan.path.dns.resolvconf import DnsWishes
from linkspan.path.dns.resolver import Resolver
from linkspan.path.dns.view import SandboxView


class Naming:
    """Writes the files of a container and keeps the resolver true. Blocking: called from worker threads."""

    def __init__(
        self, settings: DaemonSettings, network: Controller, registry: Registry, resolver: Resolver
    ) -> None:
        """Belong to the event loop that runs now; `resolver` answers on it."""
        self._settings = settings
        self._network = network
        self._registry = registry
        self._resolver = resolver
        self._egress = Egress(network)
        self._loop = asyncio.get_running_loop()
        self._known: dict[str, tuple[Endpoint, ...]] = {}
        self._views: dict[str, SandboxView] = {}
        self._links: dict[str, tuple[Link, ...]] = {}
        self._resolv: dict[str, str] = {}
        self._writing = threading.Lock()  # of hosts files: their container and those it links to may change

    def joined(self, container: Container, sandbox: Sandbox, own: Files) -> None:
        """Write the files of a container that is about to start, and make its names resolve."""
        domain = str(container.config.get("Domainname") or "")
        hostname = str(container.config.get("Hostname") or "")
        write(own.hostname, (f"{hostname}.{domain}" if domain else hostname) + "\n")
        if links := legacy_links(container, self._registry, self._network):
            self._links[container.id] = links
        self._write_hosts(container, sandbox, own)
        self._tell(container, sandbox, own)

    def link_environment(self, container_id: str) -> tuple[str, ...]:
        """Return the variables that a container gets of those it links to."""
        links = self._links.get(container_id, ())
        return tuple(variable for link in links for variable in link_environment(link))

    def linked(self, target_id: str) -> list[str]:
        """Return the ids of the running containers that link to `target_id`."""
        links = list(self._links.items())
        return [id for id, found in links if any(link.id == target_id for link in found)]

    def changed(self, container: Container, own: Files) -> None:
        """Follow a change of a container's networks or name, if it has a sandbox."""
        if sandbox := self._network.sandbox(container.id):
            self._write_hosts(container, sandbox, own)
            self._tell(container, sandbox, own)

    def adopted(self, container: Container, own: Files) -> None:
        """Make the names of a container resolve again that ran on while the daemon was away."""
        if sandbox := self._network.sandbox(container.id):
            self._links.update(self._links_known(container))
            self._tell(container, sandbox, own)

    def _links_known(self, container: Container) -> dict[str, tuple[Link, ...]]:
        """Return the links of a container that runs already; nothing if one of the others is down."""
        try:
            links = legacy_links(container, self._registry, self._network)
        except LinkspanError:
            return {}
        return {container.id: links} if links else {}

    def close(self) -> None:
        """Stop answering. Called on the event loop."""
        self._resolver.close()
        self._egress.close()

    def left(self, container_id: str) -> None:
        """Forget a container whose sandbox goes; its sockets must not keep the namespace alive."""
        self._links.pop(container_id, None)
        self._resolv.pop(container_id, None)
        for endpoint in self._known.pop(container_id, ()):
            self._resolver.zone.remove(endpoint)
        if self._views.pop(container_id, None) is not None:
            self._loop.call_soon_threadsafe(self._resolver.remove_sandbox, container_id)

    def _tell(self, container: Container, sandbox: Sandbox, own: Files) -> None:
        named = tuple(e for e in sandbox.endpoints if e.network_name != DEFAULT_BRIDGE)
        for gone in self._known.get(container.id, ()):
            if gone.id not in {endpoint.id for endpoint in named}:
                self._resolver.zone.remove(gone)
        view = self._view(container, sandbox, named, own)
        served = self._views.get(container.id)
        if served is None and view is not None:
            serving = self._resolver.add_sandbox(container.id, view)
            asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        elif served is not None:
            view = view or replace(served, networks=(), links=())
            self._loop.call_soon_threadsafe(self._resolver.update, container.id, view)
        if view is not None:
            self._views[container.id] = view
        for endpoint in named:
            self._resolver.zone.add(endpoint)
        self._known[container.id] = named

    def _view(
        self, container: Container, sandbox: Sandbox, named: Sequence[Endpoint], own: Files
    ) -> SandboxView | None:
        """Write resolv.conf and return what the resolver must know, None for a sandbox that needs none."""
        host = _parsed(host_resolv())
        wishes = self._wishes(container)
        ipv6 = any(endpoint.ipv6 is not None for endpoint in sandbox.endpoints)
        if not sandbox.key:
            self._write_resolv(container.id, own.resolv, resolvconf.for_host(host, wishes))
            return None
        if not named:
            bridge = resolvconf.for_default_bridge(host, wishes, ipv6)
            self._write_resolv(container.id, own.resolv, bridge)
            return None
        file = resolvconf.for_resolver(host, wishes, ipv6)
        self._write_resolv(container.id, own.resolv, file.text)
        ordered = sorted(named, key=lambda endpoint: endpoint.id != sandbox.gateway)
        gateways = tuple(a for e in ordered for a in self._gateways_of(e))
        networks = [self._network.network(endpoint.network_id) for endpoint in sandbox.endpoints]
        return SandboxView(
            sandbox=sandbox.key,
            networks=tuple(endpoint.network_id for endpoint in ordered),
            links=network_links(ordered),
            upstreams=file.upstreams,
            ndots_set=file.ndots_set,
            internal=all(network.internal for network in networks),
            host_addresses=tuple(self._given_gateways()) or gateways,
            gateways=gateways,
            gate=self._egress.gate(networks),
        )

    def _write_resolv(self, id: str, path: Path, text: str) -> None:
        """Write resolv.conf, unless it was written with the same text before: then nothing is to do."""
        if self._resolv.get(id) != text:
            _write_unless_edited(path, text)
            self._resolv[id] = text

    def _wishes(self, container: Container) -> DnsWishes:
        host, settings = container.host_config, self._settings
        return DnsWishes(
            servers=tuple(ip_address(text) for text in host.get("Dns") or settings.dns),
            search=tuple(host.get("DnsSearch") or settings.dns_search),
            options=tuple(host.get("DnsOptions") or settings.dns_options),
        )

    def _gateways_of(self, endpoint: Endpoint) -> list[Address]:
        """Return the host's own addresses on the endpoint's network: its bridge's."""
        pools = self._network.network(endpoint.network_id).pools
        return [pool.gateway for pool in pools if pool.gateway is not None]

    def _write_hosts(self, container: Container, sandbox: Sandbox, own: Files) -> None:
        with self._writing:
            write(own.hosts, self._hosts(container, sandbox))

    def _hosts(self, container: Container, sandbox: Sandbox) -> str:
        entries = container.host_config.get("ExtraHosts") or ()
        extra = hosts.extra_hosts(entries, self._host_gateway(entries))
        if not sandbox.key:
            return hosts.host_mode_file(read(HOST_HOSTS), extra)
        links = [self._present(link) for link in self._links.get(container.id, ())]
        lines = [hosts.link_line(link.address, link.alias, link.id, link.name) for link in links]
        own = [
            interface.ip
            for endpoint in sandbox.endpoints
            for interface in (endpoint.ipv4, endpoint.ipv6)
            if interface is not None
        ]
        config = container.config
        hostname, domain = str(config.get("Hostname") or ""), str(config.get("Domainname") or "")
        ipv6 = Path("/proc/net/if_inet6").exists()
        return hosts.hosts_file(own, hostname, domain, [*extra, *lines], ipv6)

    def _present(self, link: Link) -> Link:
        """Return a link with the present address of the other; the last one while that is down."""
        return replace(link, address=bridge_address(link.id, self._network) or link.address)

    def _given_gateways(self) -> list[Address]:
        return [ip_address(text) for text in self._settings.host_gateway_addresses]

    def _host_gateway(self, entries: Sequence[str]) -> list[Address]:
        """Return what "host-gateway" means: the daemon's option, or the default bridge's addresses."""
        if given := self._given_gateways():
            return given
        if not any(entry.endswith(f":{hosts.HOST_GATEWAY}") for entry in entries):
            return []
        try:
            bridge = self._network.network(DEFAULT_BRIDGE)
        except NotFound:
            return []
        return [pool.gateway for pool in bridge.pools if pool.gateway is not None]


@lru_cache(maxsize=4)
def _parsed(text: str) -> resolvconf.Settings:
    return resolvconf.parse(text)


def _write_unless_edited(path: Path, text: str) -> None:
    """Write a file, and a hash beside it; a file that somebody changed since is left alone."""
    mark = path.with_name(path.name + ".hash")
    present = read(path)
    if present and _hash(present) != read(mark):
        return
    if present != text:
        write(path, text)
        write(mark, _hash(text))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
