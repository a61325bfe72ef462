"""Configuration-only networks: templates without anything in the kernel, and networks made from them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from linkspan.model.errors import Forbidden, NotFound
from linkspan.model.network import Network, NetworkSpec, Pool, PoolRequest
from linkspan.model.timestamps import rfc3339
from linkspan.network.names import new_id


def config_only(spec: NetworkSpec) -> Network:
    """Return the template that `docker network create --config-only` stores; its driver is "null"."""
    return Network(
        id=new_id(),
        name=spec.name,
        driver="null",
        created=rfc3339(time.time_ns()),
        enable_ipv4=spec.enable_ipv4,
        enable_ipv6=spec.enable_ipv6,
        internal=spec.internal,
        config_only=True,
        pools=tuple(
            Pool(pool.subnet, pool.gateway, pool.ip_range, pool.auxiliary)
            for pool in spec.pools
            if pool.subnet is not None
        ),
        options=spec.options,
        labels=spec.labels,
    )


def from_config(spec: NetworkSpec, existing: Iterable[Network]) -> NetworkSpec:
    """Return `spec` with what its `config_from` template says; one without a template is returned as it is.

    Raises NotFound or Forbidden with libnetwork's texts.
    """
    if not spec.config_from:
        return spec
    template = next((network for network in existing if network.name == spec.config_from), None)
    if template is None:
        raise NotFound(f'configuration network "{spec.config_from}" does not exist')
    if not template.config_only:
        raise Forbidden(f'network "{template.name}" cannot be used as a configuration network')
    if spec.pools or spec.options:
        raise Forbidden(
            "user specified configurations are not supported"
            " if the network depends on a configuration network"
        )
    return replace(
        spec,
        enable_ipv4=template.enable_ipv4,
        enable_ipv6=template.enable_ipv6,
        internal=template.internal,
        pools=tuple(PoolRequest(p.subnet, p.ip_range, p.gateway, p.auxiliary) for p in template.pools),
        options=template.options,
    )
