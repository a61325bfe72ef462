"""Which of a sandbox's endpoints carries the default route and the published ports.

Docker's order (libnetwork, Endpoint.Less): higher `gw-priority` first, then networks that are not internal,
then those with gateways in both families, then by network name.
"""

from __future__ import annotations

from collections.abc import Iterable

from linkspan.model.network import Endpoint


def choose(endpoints: Iterable[Endpoint], version: int = 4) -> Endpoint | None:
    """Return the endpoint for the default route of one family, or None when none leads out."""
    candidates = [endpoint for endpoint in endpoints if _gateway(endpoint, version) is not None]
    return min(candidates, key=_rank, default=None)


def _gateway(endpoint: Endpoint, version: int) -> object:
    return endpoint.gateway4 if version == 4 else endpoint.gateway6


def _rank(endpoint: Endpoint) -> tuple[int, int, str]:
    gateways = sum(gateway is not None for gateway in (endpoint.gateway4, endpoint.gateway6))
    return -endpoint.config.gw_priority, -gateways, endpoint.network_name
