"""What of the host's files matters for networks: its resolvers, and whether a namespace is still mounted."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

from linkspan.model.addresses import Subnet


def resolver_subnets(resolv_conf: Path = Path("/etc/resolv.conf")) -> list[Subnet]:
    """Return the host's name servers as prefixes of one address, so that no chosen subnet hides them."""
    try:
        lines = resolv_conf.read_text().splitlines()
    except OSError:
        return []
    return list(_resolvers(lines))


def _resolvers(lines: list[str]) -> Iterator[Subnet]:
    for words in map(str.split, lines):
        if len(words) > 1 and words[0] == "nameserver":
            try:
                yield ip_network(ip_address(words[1].partition("%")[0]))
            except ValueError:
                continue


def is_mounted(path: Path) -> bool:
    """Tell whether a namespace is (still) bind-mounted at `path`."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except OSError:
        return False
