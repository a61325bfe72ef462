"""What of the host's files matters for networks: its resolvers, and whether a namespace is still mounted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

from linkspan.model.addresses import Address, Subnet

#: The host's own file, and where systemd-resolved keeps the servers that its stub asks.
RESOLVER_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def resolver_subnets(files: Sequence[Path] = RESOLVER_FILES) -> list[Subnet]:
    """Return the host's name servers as prefixes of one address, so that no chosen subnet hides them."""
    return [ip_network(address) for address in resolvers(files)]


def resolvers(files: Sequence[Path] = RESOLVER_FILES) -> list[Address]:
    """Return the host's name servers; a file that is not there names none."""
    found: list[Address] = []
    for path in files:
        with suppress(OSError):
            found += _named(path.read_text().splitlines())
    return list(dict.fromkeys(found))


def _named(lines: list[str]) -> Iterator[Address]:
    for words in map(str.split, lines):
        if len(words) > 1 and words[0] == "nameserver":
            try:
                yield ip_address(words[1].partition("%")[0])
            except ValueError:
                continue


def is_mounted(path: Path) -> bool:
    """Tell whether a namespace is (still) bind-mounted at `path`."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except OSError:
        return False
