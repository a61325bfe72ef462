"""Engine API versions: which are spoken, and what differs between them, in one table.

Source: Docker Engine API version history.
"""

from __future__ import annotations

from linkspan.model.errors import InvalidParameter
from linkspan.model.numbers import is_number

ApiVersion = tuple[int, int]

MINIMUM: ApiVersion = (1, 24)
MAXIMUM: ApiVersion = (1, 56)
OF_COMPOSE_1: ApiVersion = (1, 43)

SINCE: dict[str, ApiVersion] = {
    "networks without members in lists": (1, 28),
    "wait with a condition": (1, 30),
    "private ipc by default": (1, 40),
    "multiplexed content type": (1, 42),
    "signal of a stop": (1, 42),
    "disk usage by type": (1, 42),
    "annotations": (1, 43),
    "several endpoints in create": (1, 44),
    "mac address of an endpoint": (1, 44),
    "status of runtimes": (1, 44),
    "aliases without short id": (1, 45),
    "volume subpath": (1, 45),
    "annotations in lists": (1, 46),
    "image create events": (1, 46),
    "EnableIPv4": (1, 48),
    "gateway priority": (1, 48),
    "interface sysctls by endpoint only": (1, 48),
    "firewall backend in info": (1, 49),
    "commits without Expected": (1, 49),
    "info without bridge filters": (1, 50),
    "image config without container fields": (1, 50),
    "containers of listed images": (1, 51),
    "image without empty fields": (1, 52),
    "no legacy network settings": (1, 52),
    "no mac address of a container": (1, 52),
    "network status": (1, 52),
    "health in lists": (1, 52),
    "empty port bindings are told": (1, 52),
    "events without legacy fields": (1, 52),
    "usage summaries": (1, 52),
    "mac address on connect": (1, 54),
    "device limits in update": (1, 55),
    "annotation filter": (1, 56),
    "prune as a stream": (1, 56),
    "umask": (1, 56),
}


def has(version: ApiVersion, behaviour: str) -> bool:
    """Return whether a client speaking `version` expects `behaviour`, a key of `SINCE`."""
    return version >= SINCE[behaviour]


def text(version: ApiVersion) -> str:
    """Return the version as Docker writes it: "1.51"."""
    return f"{version[0]}.{version[1]}"


def negotiate(asked: str | None, agent: str = "") -> ApiVersion:
    """Return the version a request path asks for (None: the newest), or raise InvalidParameter.

    docker-compose 1.x asks for the newest that the daemon speaks, and says what the newest no longer takes
    (the MAC address of a whole container): by its User-Agent (`agent`) it gets what it was written for.
    Whatever consists of digits and dots can be asked for: "1" is 1.0, and "1.44.7" counts as 1.44.
    """
    if agent.startswith("docker-compose/1."):
        return min(negotiate(asked), OF_COMPOSE_1)
    if asked is None:
        return MAXIMUM
    parts = [part or "0" for part in asked.split(".")]
    if not all(map(is_number, parts)):
        raise InvalidParameter(f"client version {asked[:32]} is no version")
    major, minor, *_ = [*map(int, parts), 0]
    version = (major, minor)
    if version < MINIMUM:
        raise InvalidParameter(
            f"client version {asked} is too old. Minimum supported API version is {text(MINIMUM)}, "
            "please upgrade your client to a newer version"
        )
    if version > MAXIMUM:
        raise InvalidParameter(
            f"client version {asked} is too new. Maximum supported API version is {text(MAXIMUM)}"
        )
    return version
