"""The port allocator: which host ports are published, and which one is next.

Ephemeral ports come from the kernel's own range, continuing after the last one given (round robin); a port is
given for several addresses at once ("0.0.0.0" and "::") only if it is free on all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from linkspan.model.addresses import Address
from linkspan.model.errors import LinkspanError

FALLBACK_RANGE = (49153, 65535)


@dataclass(frozen=True, slots=True)
class Owner:
    """The container that a port is held for; `name` is what it was called then."""

    id: str = ""
    name: str = ""


NOBODY = Owner()


class PortTaken(LinkspanError):
    """A container has the port (Docker's text); `owner` says which."""

    def __init__(self, address: Address, port: int, owner: Owner) -> None:
        super().__init__(f"Bind for {address}:{port} failed: port is already allocated")
        self.owner = owner


class AllPortsAllocated(LinkspanError):
    """No port of the range is left."""

    def __init__(self) -> None:
        super().__init__("all ports are allocated")


@dataclass(frozen=True, slots=True)
class PortRange:
    """Host ports to choose from; `first` 0 means the ephemeral range."""

    first: int
    last: int

    @property
    def fixed(self) -> bool:
        """Tell whether there is nothing to choose."""
        return self.first > 0 and self.first == self.last


class PortAllocator:
    """Host ports in use by protocol, family and address. Thread-safe."""

    def __init__(self, ephemeral: tuple[int, int] = FALLBACK_RANGE, skipped: Iterable[int] = ()) -> None:
        self._ephemeral = ephemeral
        self._skipped = frozenset(skipped)
        self._lock = threading.Lock()
        self._held: dict[tuple[str, int], dict[Address, Owner]] = {}
        self._next = {"tcp": ephemeral[0], "udp": ephemeral[0], "sctp": ephemeral[0]}

    def claim(
        self,
        protocol: str,
        addresses: Sequence[Address],
        wanted: PortRange,
        avoid: Collection[int] = (),
        owner: Owner = NOBODY,
    ) -> int:
        """Hold one port of `wanted` on all `addresses` for `owner` and return it.

        `avoid` are ports that turned out to be busy in the OS. Raises PortTaken "Bind for … failed: port
        is already allocated" for a fixed port, AllPortsAllocated for a range.
        """
        with self._lock:
            if wanted.fixed:
                self._require_free(protocol, addresses, wanted.first)
                port = wanted.first
            else:
                port = self._choose(protocol, addresses, wanted, avoid)
            self._held.setdefault((protocol, port), {}).update(dict.fromkeys(addresses, owner))
            return port

    def _require_free(self, protocol: str, addresses: Sequence[Address], port: int) -> None:
        for address in addresses:
            if (owner := self._owner(protocol, address, port)) is not None:
                raise PortTaken(address, port, owner)

    def _taken(self, protocol: str, address: Address, port: int) -> bool:
        return self._owner(protocol, address, port) is not None

    def _owner(self, protocol: str, address: Address, port: int) -> Owner | None:
        """Return who holds the port on an address that is in the way of `address`."""
        if not (held := self._held.get((protocol, port))):
            return None
        return next((owner for other, owner in held.items() if _overlap(address, other)), None)

    def _choose(
        self, protocol: str, addresses: Sequence[Address], wanted: PortRange, avoid: Collection[int]
    ) -> int:
        for port in self._candidates(protocol, wanted):
            if port not in avoid and not any(self._taken(protocol, address, port) for address in addresses):
                if wanted.first == 0:
                    self._next[protocol] = port + 1
                return port
        raise AllPortsAllocated

    def _candidates(self, protocol: str, wanted: PortRange) -> Iterable[int]:
        if wanted.first > 0:
            return range(wanted.first, wanted.last + 1)
        first, last = self._ephemeral
        start = self._next[protocol] if first <= self._next[protocol] <= last else first
        around = chain(range(start, last + 1), range(first, start))
        return (port for port in around if port not in self._skipped)

    def hold(self, protocol: str, address: Address, port: int, owner: Owner = NOBODY) -> None:
        """Hold a port without asking: it is in use already (restart of the daemon)."""
        with self._lock:
            self._held.setdefault((protocol, port), {})[address] = owner

    def release(self, protocol: str, addresses: Iterable[Address], port: int) -> None:
        """Let go of a port; one that is free is no error."""
        with self._lock:
            held = self._held.get((protocol, port), {})
            for address in addresses:
                held.pop(address, None)
            if not held:
                self._held.pop((protocol, port), None)

    def held(self) -> list[tuple[str, Address, int]]:
        """Return everything that is held."""
        with self._lock:
            return [(protocol, a, port) for (protocol, port), held in self._held.items() for a in held]


def _overlap(one: Address, other: Address) -> bool:
    return one == other or (one.version == other.version and (one.is_unspecified or other.is_unspecified))


def ephemeral_range(proc: Path = Path("/proc/sys/net/ipv4")) -> tuple[int, int]:
    """Return the kernel's range for ephemeral ports (ip_local_port_range) in this thread's namespace."""
    try:
        first, last = (int(word) for word in (proc / "ip_local_port_range").read_text().split())
    except (OSError, ValueError):
        return FALLBACK_RANGE
    return first, last


def reserved_ports(proc: Path = Path("/proc/sys/net/ipv4")) -> set[int]:
    """Return the ports that the kernel never gives as ephemeral ones (ip_local_reserved_ports)."""
    path = proc / "ip_local_reserved_ports"
    text = path.read_text().strip() if path.exists() else ""
    ports: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        ports.update(range(int(first), int(last or first) + 1))
    return ports
