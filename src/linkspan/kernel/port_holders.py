"""Who holds a port: the process whose socket is bound to it, found in /proc of this thread's namespace.

Only asked after a bind has failed, so that it may take the milliseconds that a walk over /proc takes. Source:
proc(5), /proc/net/tcp: local address in hexadecimal, each 32-bit word in the machine's byte order.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from linkspan.model.addresses import Address

_LISTEN, _UNCONNECTED = "0A", "07"
_WAITING = {"tcp": _LISTEN, "udp": _UNCONNECTED}
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a port."""

    pid: int
    program: str

    def __str__(self) -> str:
        """Return it as errors name it: "process 1234, nginx"."""
        return f"process {self.pid}, {self.program}"


def port_holder(protocol: str, address: Address, port: int, proc: Path = PROC) -> Holder | None:
    """Return the process whose socket keeps `address` and `port` from being bound, None if it is not seen."""
    inodes = {
        inode
        for version in (4, 6)
        for bound, number, inode in _sockets(protocol, version, proc)
        if number == port and _in_the_way(bound, address)
    }
    return _owner(inodes, proc) if inodes else None


def _sockets(protocol: str, version: int, proc: Path) -> Iterator[tuple[Address, int, str]]:
    """Yield address, port and inode of the sockets that wait for somebody."""
    name = protocol if version == 4 else f"{protocol}6"
    with suppress(OSError):
        for line in (proc / "thread-self/net" / name).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == _WAITING.get(protocol):
                address, _, port = words[1].partition(":")
                yield _address(address), int(port, 16), words[9]


def _address(text: str) -> Address:
    words = (bytes.fromhex(text[start : start + 8]) for start in range(0, len(text), 8))
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


def _in_the_way(bound: Address, wanted: Address) -> bool:
    """Tell whether a socket on `bound` may exclude `wanted`; "::" may stand for IPv4 too."""
    if bound.version != wanted.version:
        return bound.version == 6 and bound.is_unspecified
    return bound == wanted or bound.is_unspecified or wanted.is_unspecified


def _owner(inodes: set[str], proc: Path) -> Holder | None:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for pid in sorted(int(each.name) for each in proc.iterdir() if each.name.isdigit()):
        with suppress(OSError):  # it has ended meanwhile, or is not ours to look into
            if any(str(entry.readlink()) in wanted for entry in (proc / str(pid) / "fd").iterdir()):
                return Holder(pid, (proc / str(pid) / "comm").read_text().strip())
    return None
