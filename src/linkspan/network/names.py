"""The naming rule: bridges, veth ends, interfaces in a sandbox, MAC addresses and owner marks.

`br-<first 12 hex of the network's id>` and `veth<7 hex>` on the host, `eth<N>` (lowest free) inside; every
link carries "linkspan:<what>:<id>" as its alias, so that one found after a crash has an owner.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection

PREFIX = "linkspan:"


def new_id() -> str:
    """Return a fresh id of 64 hex digits."""
    return secrets.token_hex(32)


def bridge_name(network_id: str) -> str:
    """Return the link name of a user-defined bridge network."""
    return f"br-{network_id[:12]}"


def host_link(taken: Collection[str]) -> str:
    """Return a fresh name for the host's end of a veth pair."""
    while (name := f"veth{secrets.token_hex(4)[:7]}") in taken:
        continue
    return name


def interface(prefix: str, taken: Collection[str]) -> str:
    """Return the lowest free `<prefix><N>` inside a sandbox."""
    return next(name for number in range(len(taken) + 1) if (name := f"{prefix}{number}") not in taken)


def random_mac() -> str:
    """Return a random unicast MAC address, locally administered (Docker >= 28)."""
    first, *rest = secrets.token_bytes(6)
    return _mac([first & 0xFC | 0x02, *rest])


def bridge_mac(network_id: str) -> str:
    """Return the MAC address of a network's bridge: random looking, and the same after a reboot."""
    first, *rest = hashlib.sha256(network_id.encode()).digest()[:6]
    return _mac([first & 0xFC | 0x02, *rest])


def _mac(octets: list[int]) -> str:
    return ":".join(f"{octet:02x}" for octet in octets)


def network_owner(network_id: str) -> str:
    """Return the mark on the bridge of a network."""
    return f"{PREFIX}network:{network_id}"


def endpoint_owner(endpoint_id: str, container_name: str) -> str:
    """Return the mark on the veth pair of an endpoint, with the container's name for people."""
    return f"{PREFIX}endpoint:{endpoint_id}:{container_name}"


def owner(alias: str) -> tuple[str, str] | None:
    """Return ("network" or "endpoint", id) of a link's alias, None for a link that is not ours."""
    if not alias.startswith(PREFIX):
        return None
    kind, _, rest = alias.removeprefix(PREFIX).partition(":")
    return kind, rest.partition(":")[0]
