"""Egress by name: what a resolver is told of the lists of its networks, and closing what expires."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from linkspan.model.addresses import Address
from linkspan.model.errors import LinkspanError
from linkspan.model.network import Network
from linkspan.network.controller import Controller
from linkspan.network.egress import egress_list
from linkspan.path.dns.gate import Gate

log = logging.getLogger(__name__)


class Egress:
    """Makes gates, opens addresses through them, and closes them again; belongs to the running loop."""

    def __init__(self, network: Controller) -> None:
        self._network = network
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def gate(self, networks: Sequence[Network]) -> Gate | None:
        """Return the gate of a sandbox on `networks`, None if none of them has a list."""
        ways_out = [network for network in networks if not network.internal]
        lists = [(network, egress_list(dict(network.options))) for network in ways_out]
        doors = tuple((network.bridge, found.names) for network, found in lists if found is not None)
        return Gate(doors, len(doors) == len(ways_out), self._open) if doors else None

    async def _open(self, bridge: str, addresses: list[Address], seconds: int) -> None:
        try:
            await asyncio.to_thread(self._network.open_names.admit, bridge, addresses, seconds)
        except LinkspanError as error:
            log.warning("%s stays closed to what a name has led to: %s", bridge, error)
        self._later(await asyncio.to_thread(self._network.open_names.sweep))

    def _later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._sweep) if seconds else None

    def _sweep(self) -> None:
        task = self._loop.create_task(asyncio.to_thread(self._network.open_names.sweep))
        task.add_done_callback(self._swept)

    def _swept(self, task: asyncio.Task[float]) -> None:
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.warning("closing the addresses of names that have expired: %s", error)
        self._later(10.0 if error is not None else task.result())

    def close(self) -> None:
        """Close nothing any more: the daemon ends."""
        self._later(0)
