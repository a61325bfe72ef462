"""The watch over the host: what the kernel tells of other people's changes is looked at, and healed.

Nothing is polled. The first notice of a loss is acted upon after SETTLED seconds; while there are more (our
own containers come and go with notices too) the host is looked at every SPACING seconds at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from linkspan.engine.house import House
from linkspan.kernel.notices import Change, Notices

log = logging.getLogger(__name__)

SETTLED = 0.1
SPACING = 0.7


class HostWatch:
    """Listens from `start` to `close`; used from the event loop only."""

    def __init__(self, house: House, listen: Callable[[], Notices]) -> None:
        self._house = house
        self._listen = listen
        self._notices: Notices | None = None
        self._changes: set[Change] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._looked = -SPACING
        self._looking = False

    def start(self) -> None:
        """Begin to listen; where that cannot be done, that is logged."""
        try:
            self._notices = self._listen()
        except OSError as error:
            log.warning("changes that others make to links and rules are not noticed: %s", error)
            return
        for descriptor in self._notices.descriptors():
            asyncio.get_running_loop().add_reader(descriptor, self._heard)

    def close(self) -> None:
        """Listen no longer."""
        for timer in (self._timer, self._later):
            if timer is not None:
                timer.cancel()
        if self._notices is not None:
            for descriptor in self._notices.descriptors():
                asyncio.get_running_loop().remove_reader(descriptor)
            self._notices.close()
            self._notices = None

    def _heard(self) -> None:
        if self._notices is not None:
            self._changes |= self._notices.read()
            self._schedule()

    def _schedule(self) -> None:
        if not self._changes or self._looking or self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        at = max(loop.time() + SETTLED, self._looked + SPACING)
        self._timer = loop.call_at(at, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._looking = True
        self._house.workers.spawn(self._look())

    async def _look(self) -> None:
        changes, self._changes = self._changes, set()
        again = 0.0
        try:
            again = await self._house.workers.run(self._house.network.heal, changes)
        except Exception:
            log.exception("looking at what others have changed")
        finally:
            self._looked = asyncio.get_running_loop().time()
            self._looking = False
            self._schedule()
        if again and self._later is None:
            self._later = asyncio.get_running_loop().call_later(again, self._look_again)

    def _look_again(self) -> None:
        self._later = None
        self._changes |= set(Change)
        self._schedule()
