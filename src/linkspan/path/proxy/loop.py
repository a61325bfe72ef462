"""One epoll loop for all sockets of the proxy: edge-triggered, fair, and asleep when nothing happens."""

from __future__ import annotations

import _socket
import select
import time
from collections.abc import Callable

EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
LEVEL = select.EPOLLIN
READABLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
WRITABLE = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
EVENTS_PER_TURN = 256
HEADROOM = 128  # descriptors kept for pipes, for the daemon and for new ports


class Loop:
    """Call handlers as their sockets become ready; give those with more to do another turn, in order.

    A socket that ends during a turn is closed after it, so that its number cannot name another socket while
    events of this turn are still to be handled. `now` is the monotonic time of this turn in seconds.
    """

    def __init__(self, descriptor_limit: int) -> None:
        self.ceiling = descriptor_limit - HEADROOM  # connections may use the descriptors below
        self._epoll = select.epoll()
        self._doors = select.epoll()  # listening TCP sockets: one switch for all when descriptors run out
        self._epoll.register(self._doors.fileno(), LEVEL)
        self._doors_open = True
        self._handlers: dict[int, Callable[[int], None]] = {self._doors.fileno(): self._on_doors}
        self._door_handlers: dict[int, Callable[[int], None]] = {}
        self._again: list[Callable[[], None]] = []
        self._after: list[Callable[[], None]] = []
        self._buried: list[_socket.socket] = []
        self._alarms: dict[Callable[[float], float], float] = {}
        self.running = True
        self.now = time.monotonic()

    def watch(self, descriptor: int, handler: Callable[[int], None], mask: int = LEVEL) -> None:
        """Call `handler(event mask)` when `descriptor` is ready."""
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, mask)

    def forget(self, descriptor: int) -> None:
        """No more events of `descriptor`, which is about to be closed (and so leaves the epoll set)."""
        self._handlers.pop(descriptor, None)

    def unwatch(self, descriptor: int) -> None:
        """No more events of `descriptor`, which others hold as well, so that closing it does not end them."""
        self._handlers.pop(descriptor, None)
        self._epoll.unregister(descriptor)

    def watch_door(self, descriptor: int, handler: Callable[[int], None]) -> None:
        """Call `handler` when the listening socket `descriptor` has a connection to accept."""
        self._door_handlers[descriptor] = handler
        self._doors.register(descriptor, LEVEL)

    def forget_door(self, descriptor: int) -> None:
        """No more connections from `descriptor`."""
        if self._door_handlers.pop(descriptor, None):
            self._doors.unregister(descriptor)

    def shut_doors(self) -> None:
        """Accept nothing until a socket has been closed: descriptors have run out."""
        if self._doors_open:
            self._doors_open = False
            self._epoll.modify(self._doors.fileno(), 0)

    def bury(self, sock: _socket.socket) -> None:
        """Close `sock` at the end of this turn."""
        self.forget(sock.fileno())
        self._buried.append(sock)

    def again(self, task: Callable[[], None]) -> None:
        """Run `task` in the next turn: it used up its share of this one."""
        self._again.append(task)

    def after(self, task: Callable[[], None]) -> None:
        """Run `task` at the end of this turn, when all ended sockets are closed."""
        self._after.append(task)

    def alarm(self, task: Callable[[float], float], due: float) -> None:
        """Call `task(now)` at the monotonic time `due`; it returns when to call it next, 0 for never."""
        self._alarms.setdefault(task, due)

    def silence(self, task: Callable[[float], float]) -> None:
        """Forget the alarm of `task`."""
        self._alarms.pop(task, None)

    def run(self) -> None:
        """Serve until `running` is false."""
        while self.running:
            self.turn()

    def turn(self) -> None:
        """Wait for events, handle each once, and close what ended."""
        events = self._epoll.poll(self._patience(), EVENTS_PER_TURN)
        self.now = time.monotonic()
        for descriptor, mask in events:
            handler = self._handlers.get(descriptor)
            if handler:
                handler(mask)
        if self._again:
            tasks, self._again = self._again, []
            for task in tasks:
                task()
        if self._alarms:
            self._ring()
        self.close_buried()
        while self._after:
            self._after.pop(0)()

    def close_buried(self) -> None:
        """Close what has ended, and accept again if descriptors had run out."""
        if self._buried:
            for sock in self._buried:
                sock.close()
            self._buried.clear()
            if not self._doors_open:
                self._doors_open = True
                self._epoll.modify(self._doors.fileno(), LEVEL)

    def _patience(self) -> float | None:
        if self._again:
            return 0
        if self._alarms:
            return max(0.0, min(self._alarms.values()) - time.monotonic())
        return None

    def _ring(self) -> None:
        now = self.now
        for task in [task for task, due in self._alarms.items() if due <= now]:
            following = task(now)
            if following:
                self._alarms[task] = following
            else:
                del self._alarms[task]

    def _on_doors(self, _mask: int) -> None:
        for descriptor, mask in self._doors.poll(0, EVENTS_PER_TURN):
            handler = self._door_handlers.get(descriptor)
            if handler and self._doors_open:
                handler(mask)
