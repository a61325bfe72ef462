"""The nouns of the Container Network Model: network, sandbox, endpoint, and what a request asks of them.

Source of the vocabulary: libnetwork's design document (Sandbox, Endpoint, Network).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from linkspan.model.addresses import Address, Pairs, Subnet


@dataclass(frozen=True, slots=True)
class PoolRequest:
    """One entry of `IPAM.Config` as asked for; a missing subnet means "choose one"."""

    subnet: Subnet | None = None
    ip_range: Subnet | None = None
    gateway: Address | None = None
    auxiliary: tuple[tuple[str, Address], ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """One subnet of a network with its gateway and reservations; `id` is what an IPAM plugin calls it."""

    subnet: Subnet
    gateway: Address | None = None
    ip_range: Subnet | None = None
    auxiliary: tuple[tuple[str, Address], ...] = ()
    id: str = ""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A request to create a network (the body of POST /networks/create).

    `families_said` are the address families (4, 6) that the request itself switches on or off: options that
    say something of them, the daemon's defaults say, do not count.
    """

    name: str
    driver: str = "bridge"
    scope: str = "local"
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    families_said: tuple[int, ...] = ()
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    config_only: bool = False
    config_from: str = ""
    ipam_driver: str = "default"
    ipam_options: Pairs = ()
    pools: tuple[PoolRequest, ...] = ()
    options: Pairs = ()
    labels: Pairs = ()


@dataclass(frozen=True, slots=True)
class Network:
    """A named segment with a driver, subnets and options.

    `bridge` is the host's link name for bridge networks, "" for others. `adopted` is true for a link that was
    there before the network and must outlive it. `created` is RFC 3339 text. `subnets_configured` is true
    when the user gave the subnets: only then may an endpoint ask for a fixed address. `mtu` in bytes is what
    the host's uplink had when the network was made, 0 if unknown; an option overrules it.
    `foreign_addresses` are those that an adopted bridge had before: they stay when the network goes.
    `parent_mac` is the MAC address of a macvlan or ipvlan network's parent.
    """

    id: str
    name: str
    driver: str
    created: str
    scope: str = "local"
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    config_only: bool = False
    config_from: str = ""
    ipam_driver: str = "default"
    ipam_options: Pairs = ()
    pools: tuple[Pool, ...] = ()
    options: Pairs = ()
    labels: Pairs = ()
    bridge: str = ""
    adopted: bool = False
    subnets_configured: bool = False
    mtu: int = 0
    foreign_addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    parent_mac: str = ""

    def option(self, key: str, default: str = "") -> str:
        """Return the driver option `key`, or `default`."""
        return dict(self.options).get(key, default)

    def pool(self, version: int) -> Pool | None:
        """Return the first pool of one address family (4 or 6), if the network has one."""
        return next((pool for pool in self.pools if pool.subnet.version == version), None)

    def pool_of(self, address: Address) -> Pool | None:
        """Return the pool that an address is in."""
        return next((pool for pool in self.pools if address in pool.subnet), None)


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """What the user wants of one attachment (EndpointSettings in a request)."""

    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    link_local: tuple[Address, ...] = ()
    mac: str = ""
    aliases: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    driver_opts: Pairs = ()
    gw_priority: int = 0


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """Attach to the network `network` (id, name or unique id prefix) with `config`."""

    network: str
    config: EndpointConfig = field(default_factory=EndpointConfig)


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """A route in a sandbox that a remote driver names; without `gateway` it leads to the interface itself."""

    destination: Subnet
    gateway: Address | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One sandbox's attachment to one network, as it is while it stands.

    `host_link` is the veth end on the host, `link` the interface inside. `dns_names` are the names
    it answers to on this network, the first one being the PTR answer. `gateway4` and `gateway6` are None
    where the network leads nowhere (internal, none). With `link_routed` the default route names the interface
    and no gateway (ipvlan in its l3 modes). A remote driver's endpoint is the link `source_link` of the host,
    moved into the sandbox, with `routes`.
    """

    id: str
    network_id: str
    network_name: str
    container_id: str
    container_name: str
    sandbox: str
    link: str = ""
    host_link: str = ""
    mac: str = ""
    ipv4: IPv4Interface | None = None
    ipv6: IPv6Interface | None = None
    gateway4: IPv4Address | None = None
    gateway6: IPv6Address | None = None
    dns_names: tuple[str, ...] = ()
    config: EndpointConfig = field(default_factory=EndpointConfig)
    link_routed: bool = False
    source_link: str = ""
    routes: tuple[StaticRoute, ...] = ()
