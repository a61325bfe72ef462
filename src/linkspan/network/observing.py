"""What the host's kernel holds just now, in two dumps, however many containers there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from linkspan.kernel.links import LinkState, LinkStatistics
from linkspan.model.addresses import Interface


class ReadableKernel(Protocol):
    """What is read of kernel.host.HostKernel."""

    def counted_links(self) -> list[tuple[LinkState, LinkStatistics]]: ...
    def addresses_by_index(self) -> dict[int, list[Interface]]: ...


@dataclass(frozen=True, slots=True)
class HostView:
    """The host's links with their counters, by name, and the addresses by link index."""

    links: Mapping[str, LinkState]
    counters: Mapping[str, LinkStatistics]
    addresses: Mapping[int, list[Interface]]


def observe(kernel: ReadableKernel) -> HostView:
    """Read the host's links, counters and addresses; raises KernelError."""
    counted = kernel.counted_links()
    return HostView(
        {link.name: link for link, _ in counted},
        {link.name: counters for link, counters in counted},
        kernel.addresses_by_index(),
    )
