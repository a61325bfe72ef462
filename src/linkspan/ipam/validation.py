"""Address configuration of networks and endpoints: everything wrong with it, in Docker's words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from linkspan.model.addresses import Address, Subnet
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import EndpointConfig, Network, NetworkSpec, PoolRequest


def validate_pools(spec: NetworkSpec) -> None:
    """Raise InvalidParameter ("invalid network config:" and a list) if the IPAM part of `spec` is wrong."""
    _raise_all("invalid network config:", (c for pool in spec.pools for c in _pool_complaints(pool)))


def _raise_all(headline: str, complaints: Iterable[str]) -> None:
    if found := list(complaints):
        raise InvalidParameter("\n".join([headline, *found]))


def _pool_complaints(pool: PoolRequest) -> Iterator[str]:
    if pool.subnet is None:
        if pool.ip_range is not None or pool.gateway is not None or pool.auxiliary:
            yield "invalid subnet : invalid CIDR block notation"
        return
    if pool.ip_range is not None and (reason := _range_reason(pool.ip_range, pool.subnet)):
        yield f"invalid ip-range {pool.ip_range}: {reason}"
    if pool.gateway is not None and (reason := _address_reason(pool.gateway, pool.subnet)):
        yield f"invalid gateway {pool.gateway}: {reason}"
    for name, address in pool.auxiliary:
        if reason := _address_reason(address, pool.subnet):
            yield f"invalid auxiliary address {name}: {reason}"


def _range_reason(inner: Subnet, subnet: Subnet) -> str:
    if inner.version != subnet.version:
        return f"parent subnet is an IPv{subnet.version} block"
    if inner.prefixlen < subnet.prefixlen:
        return f"CIDR block is bigger than its parent subnet {subnet}"
    if not inner.overlaps(subnet):
        return f"parent subnet {subnet} doesn't contain ip-range"
    return ""


def _address_reason(address: Address, subnet: Subnet) -> str:
    if address.version != subnet.version:
        return f"parent subnet is an IPv{subnet.version} block"
    return "" if address in subnet else f"parent subnet {subnet} doesn't contain this address"


def validate_endpoint(network: Network, config: EndpointConfig, predefined: bool) -> None:
    """Raise InvalidParameter ("invalid endpoint settings:" and a list) if `network` cannot give `config`."""
    complaints = list(_predefined_complaints(config)) if predefined else []
    if not predefined:
        complaints += [
            complaint
            for address in (config.ipv4, config.ipv6)
            if address is not None and (complaint := _static_complaint(network, address))
        ]
    _raise_all("invalid endpoint settings:", complaints)


def _predefined_complaints(config: EndpointConfig) -> Iterator[str]:
    if config.ipv4 is not None or config.ipv6 is not None:
        yield "user-specified IP address is supported on user-defined networks only"
    if config.aliases:
        yield "network-scoped aliases are only supported for user-defined networks"


def _static_complaint(network: Network, address: Address) -> str:
    subnets = [pool.subnet for pool in network.pools if pool.subnet.version == address.version]
    if not network.subnets_configured:
        return (
            "user specified IP address is supported only when connecting to networks"
            " with user configured subnets"
        )
    if any(address in subnet for subnet in subnets):
        return ""
    return f"no configured subnet contains IP address {address}"
