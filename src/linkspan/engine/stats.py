"""`docker stats`: a container's use of CPU, memory, network and disk, once or every second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from linkspan.engine.house import House
from linkspan.engine.registry import Managed
from linkspan.model.container import Container
from linkspan.model.errors import LinkspanError
from linkspan.model.timestamps import NEVER, rfc3339

PERIOD = 1.0
Document = dict[str, Any]
_RECEIVED = ("rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "_", "_", "_", "_")
_FIELDS = (*_RECEIVED, "tx_bytes", "tx_packets", "tx_errors", "tx_dropped")


def network_counters(text: str) -> dict[str, dict[str, int]]:
    """Return the counters of every link but lo, read from the text of /proc/PID/net/dev."""
    found: dict[str, dict[str, int]] = {}
    for line in text.splitlines()[2:]:
        name, _, counters = line.partition(":")
        pairs = zip(_FIELDS, counters.split(), strict=False)
        values = {field: int(value) for field, value in pairs if field != "_"}
        if name.strip() != "lo":
            found[name.strip()] = values
    return found


def stopped_document(container: Container) -> Document:
    """Return the answer for a container that does not run: names, and zeros."""
    empty: Document = {"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0}}
    empty["throttling_data"] = {"periods": 0, "throttled_periods": 0, "throttled_time": 0}
    return {
        "read": NEVER,
        "preread": NEVER,
        "pids_stats": {},
        "blkio_stats": {"io_service_bytes_recursive": None, "io_serviced_recursive": None},
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": empty,
        "precpu_stats": empty,
        "memory_stats": {},
        "name": f"/{container.name}",
        "id": container.id,
        "os_type": "linux",
    }


class Stats:
    """The use case of GET /containers/{id}/stats."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def read(self, reference: str, stream: bool, one_shot: bool) -> AsyncIterator[Document]:
        """Yield the figures: one document without `stream`, else one a second until the container is gone.

        Without `one_shot` the first document has the figures of a second before in precpu_stats.
        """
        managed = self._house.registry.find(reference)
        before = None if one_shot or stream else await self._sample(managed)
        if before is not None and managed.alive:
            await asyncio.sleep(PERIOD)
        while not managed.gone:
            now = await self._sample(managed)
            yield self._document(managed, before, now)
            if not stream:
                return
            before = now
            await asyncio.sleep(PERIOD)

    async def _sample(self, managed: Managed) -> Document | None:
        if not managed.alive:
            return None
        try:
            return await self._house.workers.run(self._figures, managed.container)
        except (LinkspanError, OSError):
            if managed.alive:
                raise
            return None

    def _figures(self, container: Container) -> Document:
        figures = dict(self._house.runtime.statistics(container.id))
        figures["read"] = rfc3339(time.time_ns())
        if container.network_mode != "host":
            figures["networks"] = network_counters(Path(f"/proc/{container.state.pid}/net/dev").read_text())
        return figures

    def _document(self, managed: Managed, before: Document | None, now: Document | None) -> Document:
        base = stopped_document(managed.container)
        if now is None:
            return base
        base |= now
        if before is not None:
            base |= {"preread": before["read"], "precpu_stats": before["cpu_stats"]}
        return base
