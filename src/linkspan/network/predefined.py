"""The predefined networks: bridge, host and none, which nobody creates or removes."""

from __future__ import annotations

import time
from ipaddress import IPv4Interface

from linkspan.ipam.leases import default_gateway
from linkspan.model.addresses import Address
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Network, Pool
from linkspan.model.timestamps import rfc3339
from linkspan.network import names
from linkspan.network.options import BRIDGE, MTU
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


def default_bridge(settings: NetworkSettings, existing: Network | None, pool: Pool, adopted: bool) -> Network:
    """Return the network "bridge" as the settings want it now; id and date stay those of the first start."""
    options = {
        BRIDGE + "default_bridge": "true",
        BRIDGE + "enable_icc": _text(settings.icc),
        BRIDGE + "enable_ip_masquerade": _text(settings.ip_masq),
        BRIDGE + "host_binding_ipv4": str(settings.default_bind_address or "0.0.0.0"),
        BRIDGE + "name": settings.default_bridge_name,
        MTU: str(settings.mtu),
    }
    return Network(
        id=existing.id if existing is not None else names.new_id(),
        name=BRIDGE_NETWORK,
        driver="bridge",
        created=existing.created if existing is not None else rfc3339(time.time_ns()),
        pools=(pool,),
        options=tuple(options.items()),
        bridge=settings.default_bridge_name,
        adopted=adopted,
    )


def _text(flag: bool) -> str:
    return "true" if flag else "false"


def pool_of(settings: NetworkSettings, bip: IPv4Interface | None, chosen: Pool) -> Pool:
    """Return the default bridge's pool: of `bip` (--bip, or an adopted bridge's address), else `chosen`.

    Raises InvalidParameter when --fixed-cidr or --default-gateway do not fit.
    """
    pool = chosen if bip is None else Pool(bip.network, gateway=bip.ip)
    if settings.fixed_cidr is not None and not settings.fixed_cidr.subnet_of(pool.subnet):  # type: ignore[arg-type]
        raise InvalidParameter(
            f"--fixed-cidr {settings.fixed_cidr} is not within {pool.subnet} of the bridge"
        )
    auxiliary: tuple[tuple[str, Address], ...] = ()
    if (gateway := settings.default_gateway) is not None:
        if gateway not in pool.subnet:
            raise InvalidParameter(f"--default-gateway {gateway} is not within {pool.subnet} of the bridge")
        auxiliary = (("DefaultGatewayIPv4", gateway),) if gateway != pool.gateway else ()
    whole = Pool(pool.subnet, pool.gateway, settings.fixed_cidr, auxiliary)
    if whole.gateway is not None:
        return whole
    return Pool(whole.subnet, default_gateway(Pool(whole.subnet)), whole.ip_range, whole.auxiliary)
