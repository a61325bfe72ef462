"""Engine API versions: which are spoken, and what differs between them, in one table.

Source: Docker Engine API version history.
"""

from __future__ import annotations

from linkspan.model.errors import InvalidParameter

ApiVersion = tuple[int, int]

MINIMUM: ApiVersion = (1, 24)
MAXIMUM: ApiVersion = (1, 51)

SINCE: dict[str, ApiVersion] = {
    "multiplexed content type": (1, 42),
    "several endpoints in create": (1, 44),
    "aliases without short id": (1, 45),
    "EnableIPv4": (1, 48),
    "firewall backend in info": (1, 49),
    "no legacy network settings": (1, 52),
    "network status": (1, 52),
    "events without legacy fields": (1, 52),
    "events as jsonl": (1, 53),
    "mac address on connect": (1, 54),
}


def has(version: ApiVersion, behaviour: str) -> bool:
    """Return whether a client speaking `version` expects `behaviour`, a key of `SINCE`."""
    return version >= SINCE[behaviour]


def text(version: ApiVersion) -> str:
    """Return the version as Docker writes it: "1.51"."""
    return f"{version[0]}.{version[1]}"


def negotiate(asked: str | None) -> ApiVersion:
    """Return the version a request path asks for (None: the newest), or raise InvalidParameter."""
    if asked is None:
        return MAXIMUM
    major, _, minor = asked.partition(".")
    version = (int(major), int(minor))
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
