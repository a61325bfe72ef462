"""The names of all containers, network by network, and who may see them; pure, and safe in any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from linkspan.model.addresses import Address
from linkspan.model.network import Endpoint
from linkspan.path.dns.view import SandboxView

K = TypeVar("K")
HOST_NAME = "host.docker.internal"
GATEWAY_NAME = "gateway.docker.internal"


class Zone:
    """Names and addresses of the endpoints that are up.

    Readers take no lock: tables are replaced, not changed, under a lock that only writers take.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, dict[str, tuple[Endpoint, ...]]] = {}
        self._reverse: dict[Address, tuple[Endpoint, ...]] = {}
        self._network_names: dict[str, str] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._watchers: list[Callable[[str], None]] = []

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Call `watcher(network id)` after each change, in the thread that made it."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[str], None]) -> None:
        """Do not call `watcher` any more."""
        self._watchers.remove(watcher)

    def add(self, endpoint: Endpoint) -> None:
        """Make the names of `endpoint` resolve on its network; an earlier state of the same endpoint goes."""
        with self._lock:
            if self._endpoints.get(endpoint.id) == endpoint:
                return
            earlier = self._endpoints.pop(endpoint.id, None)
            if earlier:
                self._take_out(earlier)
            self._endpoints[endpoint.id] = endpoint
            self._network_names[endpoint.network_id] = endpoint.network_name.lower()
            table = self._names.setdefault(endpoint.network_id, {})
            for name in _names(endpoint):
                table[name] = (*table.get(name, ()), endpoint)
            for address in _addresses(endpoint):
                self._reverse[address] = (*self._reverse.get(address, ()), endpoint)
        self._changed(endpoint.network_id)

    def remove(self, endpoint: Endpoint) -> None:
        """Forget the names of `endpoint` (by its id); unknown ones are fine."""
        with self._lock:
            known = self._endpoints.pop(endpoint.id, None)
            if not known:
                return
            self._take_out(known)
        self._changed(known.network_id)

    def _take_out(self, endpoint: Endpoint) -> None:
        table = self._names[endpoint.network_id]
        for name in _names(endpoint):
            _discard(table, name, endpoint)
        for address in _addresses(endpoint):
            _discard(self._reverse, address, endpoint)
        if not table:
            del self._names[endpoint.network_id]

    def _changed(self, network_id: str) -> None:
        for watcher in self._watchers:
            watcher(network_id)

    def addresses(self, view: SandboxView, name: str) -> tuple[Address, ...] | None:
        """Return the addresses of `name` (lower case) as `view`'s sandbox sees it; None for an unknown name.

        The first network on which it is known decides, as in Docker; `name.network` asks one network only.
        """
        for first, network in _splits(name):
            target = dict(view.links).get(first, first).lower() if not network else first
            for network_id in view.networks:
                if network and self._network_names.get(network_id) != network:
                    continue
                found = self._names.get(network_id, {}).get(target)
                if found:
                    return tuple(address for endpoint in found for address in _addresses(endpoint))
        special = {HOST_NAME: view.host_addresses, GATEWAY_NAME: view.gateways}.get(name)
        return special or None

    def name_of(self, view: SandboxView, address: Address) -> str | None:
        """Return `name.network` of the endpoint with `address` on a network that `view`'s sandbox is on."""
        for endpoint in self._reverse.get(address, ()):
            if endpoint.network_id in view.networks:
                first = endpoint.dns_names[0] if endpoint.dns_names else endpoint.container_name
                return f"{first}.{endpoint.network_name}"
        return None


def reverse_address(name: str) -> Address | None:
    """Return the address that a PTR question asks for (`4.3.2.1.in-addr.arpa`, nibbles of `ip6.arpa`)."""
    labels = name.split(".")
    try:
        if labels[-2:] == ["in-addr", "arpa"] and len(labels) == 6:
            return IPv4Address(".".join(reversed(labels[:4])))
        if labels[-2:] == ["ip6", "arpa"] and len(labels) == 34 and len(name) == 72:
            digits = "".join(reversed(labels[:32]))
            return IPv6Address(":".join(digits[at : at + 4] for at in range(0, 32, 4)))
    except ValueError:
        return None
    return None


def _names(endpoint: Endpoint) -> set[str]:
    return {name.lower().rstrip(".") for name in (endpoint.container_name, *endpoint.dns_names) if name}


def _addresses(endpoint: Endpoint) -> list[Address]:
    return [interface.ip for interface in (endpoint.ipv4, endpoint.ipv6) if interface]


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Yield (name, network) for `name` as a whole, then for each of its dots from the right."""
    yield name, ""
    at = name.rfind(".")
    while at > 0:
        yield name[:at], name[at + 1 :]
        at = name.rfind(".", 0, at)


def _discard(table: dict[K, tuple[Endpoint, ...]], key: K, endpoint: Endpoint) -> None:
    left = tuple(other for other in table.get(key, ()) if other.id != endpoint.id)
    if left:
        table[key] = left
    else:
        table.pop(key, None)


def of_family(addresses: Sequence[Address], version: int) -> list[Address]:
    """Return those of `addresses` that are IPv4 (4) or IPv6 (6)."""
    return [address for address in addresses if address.version == version]
