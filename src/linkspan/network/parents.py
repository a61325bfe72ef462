"""Parents of macvlan and ipvlan networks: what the host has of them, and whether the kernel can do it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

from linkspan.ipam.leases import Leases
from linkspan.model.errors import Forbidden, InvalidParameter, NotImplementedHere
from linkspan.model.network import Network, Pool
from linkspan.network.adapters import Kernel
from linkspan.network.parent_options import DRIVERS, HOST, ParentOptions, parent_options

MODULES = {"macvlan": "macvlan", "ipvlan": "ipvlan", "vlan": "8021q"}


def with_parent(network: Network, others: Iterable[Network], kernel: Kernel) -> Network:
    """Return a new network with what its parent on the host decides.

    Raises InvalidParameter or Forbidden in Docker's words, NotImplementedHere for what this kernel lacks.
    """
    options = parent_options(network)
    _require(kernel, network.driver)
    _refuse_sharing(network, options, others)
    network = replace(network, pools=tuple(_with_host(pool, options) for pool in network.pools))
    if not options.parent:
        return network
    if (found := kernel.link(options.parent)) is not None:
        return replace(network, adopted=True, mtu=found.mtu, parent_mac=found.mac)
    if not options.lower:
        raise InvalidParameter(
            f"invalid subinterface vlan name {options.parent}, example formatting is eth0.10:"
            f" this host has no link {options.parent}"
        )
    if not 1 <= options.vlan <= 4094:
        raise InvalidParameter(f"vlan id must be between 1-4094, received: {options.vlan}")
    if (lower := kernel.link(options.lower)) is None:
        raise InvalidParameter(f"the requested parent interface {options.lower} was not found on this host")
    _require(kernel, "vlan")
    return replace(network, mtu=lower.mtu, parent_mac=lower.mac)


def _require(kernel: Kernel, kind: str) -> None:
    if not kernel.knows(kind):
        raise NotImplementedHere(
            f"this kernel cannot make {kind} links:"
            f" its module {MODULES[kind]} is not there and cannot be loaded"
        )


def _refuse_sharing(network: Network, options: ParentOptions, others: Iterable[Network]) -> None:
    """In passthru mode a parent has one endpoint only. Source of the text: moby, the macvlan driver."""
    for other in others:
        if other.driver not in DRIVERS or other.option("parent") != options.parent or not options.parent:
            continue
        if other.driver != network.driver:
            raise Forbidden(f"network {other.name} is already using parent interface {options.parent}")
        if "passthru" in (options.mode, parent_options(other).mode):
            raise Forbidden(
                f"cannot use mode passthru, macvlan network {other.id} is already using parent interface"
                f" {options.parent}"
            )


def _with_host(pool: Pool, options: ParentOptions) -> Pool:
    """Reserve the host's own address: the one that is asked for, or with "true" a free one of each family."""
    if not options.host_address:
        return pool
    if options.host_address == "true":
        return replace(pool, auxiliary=(*pool.auxiliary, (HOST, Leases(pool).take_next())))
    try:
        address = ip_address(options.host_address)
    except ValueError as error:
        raise InvalidParameter(f"invalid host address {options.host_address}: {error}") from error
    if address.version != pool.subnet.version:
        return pool
    if address not in pool.subnet:
        raise InvalidParameter(f"invalid host address {address}: it is not in {pool.subnet}")
    return replace(pool, auxiliary=(*pool.auxiliary, (HOST, address)))
