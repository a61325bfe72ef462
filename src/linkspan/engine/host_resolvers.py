"""The host's name servers as they change: /etc/resolv.conf is watched, and running containers follow.

A VPN or another network rewrites the file while containers run; Docker's keep asking the servers of the
moment they started. A container whose own resolv.conf somebody edited, or that has --dns, is left alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from linkspan.engine.files import HOST_RESOLV, host_resolv
from linkspan.engine.house import House
from linkspan.engine.registry import Managed
from linkspan.model.errors import LinkspanError
from linkspan.path.dns.resolvconf import SYSTEMD_PATH
from linkspan.runtime.syscalls import IN_CLOSE_WRITE, IN_CREATE, IN_MOVED_TO, watch

log = logging.getLogger(__name__)

SETTLED = 0.1  # seconds without a further change: programs rewrite the file in several steps


class HostResolvers:
    """Watches the host's resolv.conf from `start` to `close`; used from the event loop only."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._text = ""
        self._watches: list[int] = []
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to watch; where that cannot be done, that is logged."""
        self._text = host_resolv()
        self._watch()

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
        for descriptor in self._watches:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
        self._watches = []

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        for path in dict.fromkeys(_watched()):
            try:
                descriptor = watch(str(path), IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE)
            except OSError as error:
                log.warning("changes of the name servers in %s are not noticed: %s", path, error)
                continue
            self._watches.append(descriptor)
            loop.add_reader(descriptor, self._stirred, descriptor)

    def _stirred(self, descriptor: int) -> None:
        with suppress(BlockingIOError):
            os.read(descriptor, 65536)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(SETTLED, self._look)

    def _look(self) -> None:
        """Compare, and watch anew: another file may be in the place of the one that was watched."""
        self.close()
        self._watch()
        text = host_resolv()
        if text and text != self._text:
            self._text = text
            log.info("the name servers of the host have changed")
            for managed in self._house.registry.all():
                if managed.alive:
                    self._house.workers.spawn(self._follow(managed))

    async def _follow(self, managed: Managed) -> None:
        house = self._house
        async with managed.lock:
            if not managed.alive:
                return
            try:
                await house.workers.run(house.naming.adopted, managed.container, house.files(managed.id))
            except (LinkspanError, OSError) as error:
                log.error("%s does not follow the new name servers: %s", managed.container.name, error)


def _watched() -> Iterator[Path]:
    """Yield the file and the directories in which it may be replaced."""
    for path in (HOST_RESOLV, HOST_RESOLV.resolve(), Path(SYSTEMD_PATH)):
        if path.exists():
            yield path
        if path.parent.is_dir():
            yield path.parent
