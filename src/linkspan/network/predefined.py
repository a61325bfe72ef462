"""The predefined networks: bridge, host and none, which nobody creates or removes."""

from __future__ import annotations

import time
from dataclasses import dataclass

from linkspan.ipam.leases import default_gateway
from linkspan.model.addresses import Address, Interface, Subnet
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Network, Pool
from linkspan.model.timestamps import rfc3339
from linkspan.network import names
from linkspan.network.options import BRIDGE, DEFAULT_MTU, MTU
from linkspan.network.settings import NetworkSettings

BRIDGE_NETWORK = "bridge"
HOST_NETWORK = "host"
NONE_NETWORK = "none"
NAMES = (BRIDGE_NETWORK, HOST_NETWORK, NONE_NETWORK)


def is_predefined(network: Network) -> bool:
    """Tell whether a network is one of the three."""
    return network.name in NAMES


def simple_network(name: str, existing: Network | None) -> Network:
    """Return the network "host" or "none"; its id is kept from the first start on."""
    if existing is not None:
        return existing
    driver = "host" if name == HOST_NETWORK else "null"
    return Network(id=names.new_id(), name=name, driver=driver, created=rfc3339(time.time_ns()))


def default_bridge(
    settings: NetworkSettings,
    existing: Network | None,
    pools: tuple[Pool, ...],
    adopted: bool,
    mtu: int = DEFAULT_MTU,
) -> Network:
    """Return the network "bridge" as the settings want it now; id and date stay those of the first start."""
    options = {
        BRIDGE + "default_bridge": "true",
        BRIDGE + "enable_icc": _text(settings.icc),
        BRIDGE + "enable_ip_masquerade": _text(settings.ip_masq),
        BRIDGE + "host_binding_ipv4": str(settings.default_bind_address or "0.0.0.0"),
        BRIDGE + "name": settings.default_bridge_name,
        MTU: str(settings.mtu or mtu),
    }
    return Network(
        id=existing.id if existing is not None else names.new_id(),
        name=BRIDGE_NETWORK,
        driver="bridge",
        created=existing.created if existing is not None else rfc3339(time.time_ns()),
        enable_ipv6=settings.ipv6,
        pools=pools,
        options=tuple(options.items()),
        bridge=settings.default_bridge_name,
        adopted=adopted,
    )


def _text(flag: bool) -> str:
    return "true" if flag else "false"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options say of one family of the default bridge: --bip, --fixed-cidr and --default-gateway."""

    version: int
    bridge_address: Interface | None
    fixed: Subnet | None
    gateway: Address | None

    @property
    def suffix(self) -> str:
        """Return what the family's option names end with."""
        return "" if self.version == 4 else "-v6"


def wishes(settings: NetworkSettings) -> tuple[Wish, ...]:
    """Return the wishes for each family that the default bridge has."""
    ipv4 = Wish(4, settings.bip, settings.fixed_cidr, settings.default_gateway)
    ipv6 = Wish(6, settings.bip6, settings.fixed_cidr_v6, settings.default_gateway_v6)
    return (ipv4, ipv6) if settings.ipv6 else (ipv4,)


def fitted(wish: Wish, former: Pool | None) -> Pool | None:
    """Return the pool that the bridge has so far as --fixed-cidr leaves it, None when that is elsewhere now.

    A fixed range that is wider than the subnet widens it. Source: moby selectBIP.
    """
    if former is None or wish.fixed is None:
        return former
    if wish.fixed.network_address in former.subnet and wish.fixed.prefixlen >= former.subnet.prefixlen:
        return former
    if former.gateway is not None and former.gateway in wish.fixed:
        return Pool(wish.fixed, former.gateway)
    return None


def pool_of(wish: Wish, base: Pool) -> Pool:
    """Return the default bridge's pool of one family: `base` with what is wished of ranges and gateways.

    Raises InvalidParameter when --fixed-cidr or --default-gateway do not fit.
    """
    fixed, gateway = wish.fixed, wish.gateway
    if fixed is not None and not (
        fixed.network_address in base.subnet and fixed.prefixlen >= base.subnet.prefixlen
    ):
        raise InvalidParameter(f"--fixed-cidr{wish.suffix} {fixed} is not within {base.subnet} of the bridge")
    auxiliary: tuple[tuple[str, Address], ...] = ()
    if gateway is not None:
        if gateway not in base.subnet:
            raise InvalidParameter(
                f"--default-gateway{wish.suffix} {gateway} is not within {base.subnet} of the bridge"
            )
        auxiliary = ((f"DefaultGatewayIPv{wish.version}", gateway),) if gateway != base.gateway else ()
    own = base.gateway or default_gateway(Pool(base.subnet, auxiliary=auxiliary))
    return Pool(base.subnet, own, fixed, auxiliary)
