"""Links are out of sight 1 ms after their deletion began; what the kernel does then is waited for apart.

A deletion of links blocks for about 20 ms in the end, until no processor can be using them any more (in
netdev_run_todo, when the lock of all links is free again). Both ends of a veth pair have left the lists of
links, and their names are free, before that: the kernel says so by its notification (RTM_DELLINK).
"""

from __future__ import annotations

import logging
import os
import select
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from linkspan.kernel import links, wire

THREADS = 4
_RTMGRP_LINK = 1
_BUFFER = 4 << 20
log = logging.getLogger(__name__)


class Watch:
    """Notifications of links that go, in the namespace of the thread that made it."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK,
            wire.NETLINK_ROUTE,
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((0, _RTMGRP_LINK))
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._poll.register(self._bell, select.POLLIN)

    def ring(self) -> None:
        """End the waiting, from any thread."""
        os.eventfd_write(self._bell, 1)

    def wait(self, names: Sequence[str]) -> bool:
        """Return when all of these links have gone, or after `ring`: then False."""
        left = set(names)
        while left:
            ready = [descriptor for descriptor, _ in self._poll.poll()]
            if self._bell in ready:
                return False
            try:
                left.difference_update(links.gone(self._socket.recv(1 << 16)))
            except BlockingIOError:
                continue
            except OSError as error:  # too many at once: only the end of the deletion can tell
                log.debug("watching links: %s", error)
                self._poll.unregister(self._socket)
        return True

    def close(self) -> None:
        """Close the socket, once nobody rings any more."""
        self._socket.close()
        os.close(self._bell)


class Vanishing:
    """Begins deletions in threads of its own, and returns as soon as the links have gone."""

    def __init__(self, delete: Callable[[Sequence[str]], None], watch: Callable[[], Watch]) -> None:
        """`delete` deletes links and returns when the kernel has done all; `watch` begins a watch."""
        self._delete = delete
        self._watch = watch
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="vanishing")

    def delete(self, names: Sequence[str]) -> None:
        """Return when nobody can see `names` any more; raises the OSError of a deletion that failed."""
        watch = self._watch()
        work: Future[None] = self._pool.submit(self._run, names, watch)
        try:
            if not watch.wait(names):
                work.result()
        finally:
            work.add_done_callback(lambda _: watch.close())

    def _run(self, names: Sequence[str], watch: Watch) -> None:
        try:
            self._delete(names)
        finally:
            watch.ring()

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown()
