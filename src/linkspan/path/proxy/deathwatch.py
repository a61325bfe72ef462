"""Notice the end of a process at once: a thread that sleeps until its pidfd is readable."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable


class DeathWatch:
    """Calls `died(self)` once, in a thread of its own, when the process `pid` has ended; never after `stop`.

    The thread works in the network namespace of the one that makes the watch. `since` is the monotonic time
    of the beginning. Raises ProcessLookupError when there is no such process.
    """

    def __init__(self, pid: int, died: Callable[[DeathWatch], None]) -> None:
        self.pid = pid
        self.since = time.monotonic()
        self._died = died
        self._ended = False
        self._stopped = os.eventfd(0, os.EFD_CLOEXEC)
        try:
            self._process = os.pidfd_open(pid)
        except BaseException:
            os.close(self._stopped)
            raise
        threading.Thread(target=self._wait, name=f"watch of {pid}", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer; call it at most once."""
        if self._ended:
            os.close(self._stopped)
        else:
            os.eventfd_write(self._stopped, 1)

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._process, select.POLLIN)
        poll.register(self._stopped, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll()}
        stopped = self._stopped in ready
        self._ended = not stopped
        os.close(self._process)
        if stopped:
            os.close(self._stopped)
        else:
            self._died(self)
