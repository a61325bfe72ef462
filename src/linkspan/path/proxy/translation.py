"""Listeners of the blueprint as the entries of the proxy's protocol, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network

from linkspan.blueprint.listeners import Listener
from linkspan.model.addresses import Address, Subnet
from linkspan.path.proxy.wire import Entry


def to_entries(listeners: Sequence[Listener]) -> list[Entry]:
    """Return an entry for each of `listeners`."""
    return [
        (
            listener.protocol,
            _text(listener.host_address),
            listener.host_port,
            _text(listener.target_address),
            listener.target_port,
            listener.count,
            ",".join(map(str, listener.sources)),
        )
        for listener in listeners
    ]


def nameless(entries: list[Entry]) -> list[Entry]:
    """Return entries without their sources: a port is closed for all, and many fit into one message."""
    return [(*entry[:6], "") for entry in entries]


@lru_cache(256)
def _text(address: Address) -> str:
    """A thousand ports have a few addresses, and writing one takes longer than finding it."""
    return str(address)


def _sources(text: str) -> tuple[Subnet, ...]:
    return tuple(map(ip_network, text.split(","))) if text else ()


def to_listeners(entries: list[Entry]) -> list[Listener]:
    """Return a listener for each of `entries`."""
    return [
        Listener(protocol, ip_address(host), port, ip_address(target), target_port, count, _sources(sources))
        for protocol, host, port, target, target_port, count, sources in entries
    ]
