"""Network design: from a request to a network with its subnets, gateways and bridge decided and checked."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import replace

from linkspan.ipam import pools
from linkspan.ipam.leases import default_gateway
from linkspan.ipam.pools import AddressPool
from linkspan.ipam.validation import validate_pools
from linkspan.model.addresses import Subnet
from linkspan.model.errors import Conflict, Forbidden, InvalidParameter
from linkspan.model.network import Network, NetworkSpec, Pool, PoolRequest
from linkspan.model.timestamps import rfc3339
from linkspan.network import names
from linkspan.network.options import BRIDGE, ENABLE_FAMILY, NO, YES, bridge_options
from linkspan.network.parent_options import DRIVERS
from linkspan.network.predefined import NAMES

LINK_NAME_LIMIT = 15
NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join"'
    " to connect this node to swarm and try again."
)


def check_spec(spec: NetworkSpec, existing: Iterable[Network]) -> None:
    """Raise, in Docker's words, what is wrong with a request that needs no look at the host."""
    if not spec.name.strip():
        raise InvalidParameter("invalid network name: name is empty")
    if spec.name in NAMES:
        raise Forbidden(f"operation is not permitted on predefined {spec.name} network")
    if any(network.name == spec.name for network in existing):
        raise Conflict(f"network with name {spec.name} already exists")
    if spec.driver == "overlay" or spec.ingress or spec.scope in ("swarm", "global"):
        raise Forbidden(NOT_A_MANAGER)
    if spec.driver in ("host", "null"):
        raise Forbidden(f'only one instance of "{spec.driver}" network is allowed')
    if not (spec.enable_ipv4 or spec.enable_ipv6):
        raise InvalidParameter("IPv4 or IPv6 must be enabled")
    validate_pools(spec)
    for version in (4, 6):
        if len(_of_family(spec, version)) > 1 and spec.driver not in DRIVERS:
            raise Forbidden(f"{spec.driver} driver doesn't support multiple subnets")


def _of_family(spec: NetworkSpec, version: int) -> list[PoolRequest]:
    return [pool for pool in spec.pools if (4 if pool.subnet is None else pool.subnet.version) == version]


def with_families(spec: NetworkSpec) -> NetworkSpec:
    """Return `spec` with the families that its options say where it says nothing (mostly daemon defaults).

    As in Docker an option that the request overrules is not kept. Raises InvalidParameter for a value that
    is none, and if no family is left.
    """
    own = dict(spec.options)
    found = {4: spec.enable_ipv4, 6: spec.enable_ipv6}
    for version, key in ENABLE_FAMILY.items():
        value = own.get(key)
        if version in spec.families_said or value is None:
            continue
        if value not in YES and value not in NO:
            raise InvalidParameter(f'driver-opt "{key}" is not a valid bool')
        found[version] = value in YES
    overruled = [ENABLE_FAMILY[version] for version in spec.families_said]
    options = tuple((key, value) for key, value in spec.options if key not in overruled)
    if not any(found.values()):
        raise InvalidParameter("IPv4 or IPv6 must be enabled")
    return replace(spec, enable_ipv4=found[4], enable_ipv6=found[6], options=options)


def with_defaults(spec: NetworkSpec, defaults: Iterable[tuple[str, str, str]]) -> NetworkSpec:
    """Return `spec` with the daemon's (driver, key, value) options that it does not set itself."""
    own = dict(spec.options)
    added = tuple((key, value) for driver, key, value in defaults if driver == spec.driver and key not in own)
    return replace(spec, options=(*spec.options, *added))


def design(
    spec: NetworkSpec,
    existing: Iterable[Network],
    in_use: Iterable[Subnet],
    blocks: Iterable[AddressPool],
    given: tuple[Pool, ...] | None = None,
    no_gateway: Collection[int] = (),
) -> Network:
    """Return the network that `spec` asks for.

    `in_use` are the subnets that the host has routes to: they are skipped when a subnet is to be chosen from
    `blocks`. `given` are pools that an IPAM plugin has chosen already, `no_gateway` the families (4, 6)
    whose gateway address is not to be kept free unless it was named. Raises InvalidParameter and Forbidden
    with Docker's texts.
    """
    others = [network for network in existing if not network.config_only]
    draft = Network(
        id=names.new_id(),
        name=spec.name,
        driver=spec.driver,
        created=rfc3339(time.time_ns()),
        scope=spec.scope,
        enable_ipv4=spec.enable_ipv4,
        enable_ipv6=spec.enable_ipv6,
        internal=spec.internal,
        attachable=spec.attachable,
        ingress=spec.ingress,
        config_from=spec.config_from,
        ipam_driver=spec.ipam_driver or "default",
        ipam_options=spec.ipam_options,
        options=spec.options,
        labels=spec.labels,
        pools=(),
    )
    options = bridge_options(draft)
    chosen = given
    if chosen is None:
        chosen = tuple(
            _pool(
                wish,
                version,
                others,
                list(in_use),
                list(blocks),
                gateway=version not in no_gateway and options.mode(version) != "isolated",
            )
            for version, enabled in ((4, spec.enable_ipv4), (6, spec.enable_ipv6))
            if enabled
            for wish in _of_family(spec, version) or [PoolRequest()]
        )
        _refuse_overlaps(chosen)
    made = replace(draft, pools=chosen, subnets_configured=_configured(spec))
    return _with_bridge(made, others) if spec.driver == "bridge" else made


def _configured(spec: NetworkSpec) -> bool:
    return any(pool.subnet is not None and not _any_subnet(pool.subnet) for pool in spec.pools)


def _any_subnet(subnet: Subnet) -> bool:
    """Tell whether a subnet like 0.0.0.0/24 only says how big the chosen one shall be."""
    return subnet.network_address.is_unspecified


def _refuse_overlaps(chosen: tuple[Pool, ...]) -> None:
    for index, pool in enumerate(chosen):
        pools.require_free(pool.subnet, [other.subnet for other in chosen[:index]])


def _pool(
    wish: PoolRequest,
    version: int,
    others: list[Network],
    in_use: list[Subnet],
    blocks: list[AddressPool],
    *,
    gateway: bool,
) -> Pool:
    theirs = [pool.subnet for network in others for pool in network.pools]
    subnet = wish.subnet
    if subnet is None:
        subnet = pools.choose([*theirs, *in_use], blocks, version)
    elif _any_subnet(subnet):
        subnet = pools.choose_of_size(subnet.prefixlen, [*theirs, *in_use], blocks, version)
    else:
        pools.require_free(subnet, theirs)
    pool = Pool(subnet, wish.gateway, wish.ip_range, wish.auxiliary)
    if pool.gateway is None and gateway:
        pool = Pool(subnet, default_gateway(pool), wish.ip_range, wish.auxiliary)
    return pool


def _with_bridge(draft: Network, others: list[Network]) -> Network:
    bridge = draft.option(BRIDGE + "name") or names.bridge_name(draft.id)
    if len(bridge) > LINK_NAME_LIMIT or "/" in bridge or any(letter.isspace() for letter in bridge):
        raise InvalidParameter(
            f"invalid bridge name {bridge}: a link name has at most 15 characters, no / or space"
        )
    for other in others:
        if other.bridge == bridge:
            raise Forbidden(
                f"cannot create network {draft.id} ({bridge}): conflicts with network {other.id} ({bridge}):"
                " networks have same bridge name"
            )
    return replace(draft, bridge=bridge)
