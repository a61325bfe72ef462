"""The daemon's network options (Docker's --bip, --icc, --userland-proxy, …) as one value."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import Path

from linkspan.ipam.pools import AddressPool
from linkspan.model.addresses import Address


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What the daemon was told about networking; the defaults are Docker's.

    `bridge` "" means docker0, "none" no default bridge, another name an existing bridge to use. `mtu` is for
    the default bridge, in bytes; 0 means that of the host's uplink. `default_bind_address` is the host
    address of a publish that names none; None means all of them, both families. `ipv6` gives the default
    bridge a second family; `bip6` and its companions say nothing without it, as in Docker. `accept_fwmark` is
    "mark" or "mark/mask". `default_network_options` are (driver, key, value) for networks that do not say
    `key` themselves. `respect_host_firewall` leaves published ports to the proxy, and so to the host's INPUT
    rules. `bridge_filter_optional` lets networks without `enable_icc` be made on a kernel that cannot keep
    their containers apart. `exec_root` holds the `netns` directory.
    """

    bridge: str = ""
    bip: IPv4Interface | None = None
    fixed_cidr: IPv4Network | None = None
    default_gateway: IPv4Address | None = None
    ipv6: bool = False
    bip6: IPv6Interface | None = None
    fixed_cidr_v6: IPv6Network | None = None
    default_gateway_v6: IPv6Address | None = None
    default_address_pools: tuple[AddressPool, ...] = ()
    mtu: int = 0
    icc: bool = True
    ip_masq: bool = True
    ip_forward: bool = True
    iptables: bool = True
    ip6tables: bool = True
    firewall_backend: str = "auto"
    userland_proxy: bool = True
    default_bind_address: Address | None = None
    allow_direct_routing: bool = False
    accept_fwmark: str = ""
    default_network_options: tuple[tuple[str, str, str], ...] = ()
    respect_host_firewall: bool = False
    bridge_filter_optional: bool = False
    exec_root: Path = Path("/run/linkspan")

    @property
    def default_bridge_name(self) -> str:
        """Return the link name of the default bridge."""
        return self.bridge or "docker0"

    @property
    def has_default_bridge(self) -> bool:
        """Tell whether there is a default bridge network at all."""
        return self.bridge != "none"

    def sandbox_path(self, container_id: str) -> Path:
        """Return where the namespace of a container is mounted: `netns/<first 12 hex of its id>`."""
        return self.exec_root / "netns" / container_id[:12]
