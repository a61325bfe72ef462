"""What the resolver must know of one sandbox: its networks, its links and its upstream servers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from linkspan.model.addresses import Address, Pairs
from linkspan.model.network import Endpoint
from linkspan.path.dns.gate import Gate


@dataclass(frozen=True, slots=True)
class Upstream:
    """A name server; `from_sandbox` asks it from the sandbox's namespace (--dns), else from the host's."""

    address: Address
    from_sandbox: bool = False
    port: int = 53


@dataclass(frozen=True, slots=True)
class SandboxView:
    """One sandbox as its resolver sees it.

    `sandbox` is the path of the namespace. `networks` are the ids of its networks, the gateway's first.
    `links` are (alias, container name) pairs that only this sandbox sees. `ndots_set` says that the host or
    the user set ndots: then unknown names of one label are not forwarded (moby#53157). `internal` says that
    every network is internal: then the host's servers are never asked (CVE-2024-29018). `host_addresses` are
    what host.docker.internal is, `gateways` what gateway.docker.internal is.
    """

    sandbox: str
    networks: tuple[str, ...]
    links: Pairs = ()
    upstreams: tuple[Upstream, ...] = ()
    ndots_set: bool = False
    internal: bool = False
    host_addresses: tuple[Address, ...] = ()
    gateways: tuple[Address, ...] = ()
    gate: Gate | None = None

    def usable_upstreams(self) -> tuple[Upstream, ...]:
        """Return the servers that may be asked, at most Docker's three."""
        allowed = (server for server in self.upstreams if server.from_sandbox or not self.internal)
        return tuple(allowed)[:3]


def view_of(
    sandbox: str,
    endpoints: Sequence[Endpoint],
    upstreams: Iterable[Upstream],
    *,
    ndots_set: bool = False,
    internal: bool = False,
    host_addresses: Iterable[Address] = (),
) -> SandboxView:
    """Return the view of the sandbox with `endpoints`, the gateway's first.

    Links (`container:alias`, or a name alone) and gateways are taken from the endpoints; `upstreams` and
    `ndots_set` are what resolvconf.for_resolver returns; see SandboxView for the rest.
    """
    links = [link.partition(":") for endpoint in endpoints for link in endpoint.config.links]
    first = endpoints[0] if endpoints else None
    return SandboxView(
        sandbox=sandbox,
        networks=tuple(endpoint.network_id for endpoint in endpoints),
        links=tuple(((alias or name).lower(), name) for name, _, alias in links),
        upstreams=tuple(upstreams),
        ndots_set=ndots_set,
        internal=internal,
        host_addresses=tuple(host_addresses),
        gateways=tuple(gate for gate in (first.gateway4, first.gateway6) if gate) if first else (),
    )
