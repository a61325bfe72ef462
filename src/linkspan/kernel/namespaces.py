"""Network namespaces: made, held by a bind mount, entered by a thread for a moment, let go.

Source: namespaces(7), setns(2). Python before 3.12 has neither os.setns nor os.unshare: libc by ctypes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MNT_DETACH = 2
_OWN = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


@contextmanager
def _return_home() -> Iterator[None]:
    """Bring the thread back to the namespace it is in now, whatever happens."""
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        result = _libc.setns(home, _CLONE_NEWNET)
        os.close(home)
        if result != 0:
            os._exit(70)  # a thread astray in a container's namespace must never touch anything again


class Visitor:
    """Runs functions inside namespaces, never on the main thread: /proc/self/ns/net must stay the host's."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="netns")

    def close(self) -> None:
        """End the thread that stands in for the main thread."""
        self._pool.shutdown()

    def inside(self, path: str | Path, function: Callable[[], T]) -> T:
        """Return `function()`, run in the namespace mounted at `path`; sockets it opens stay in there."""
        return self._off_main(lambda: _visit(str(path), function))

    def create(self, path: Path, function: Callable[[], T]) -> T:
        """Make a namespace, mount it at `path`, and return `function()` run inside it.

        Raises FileExistsError when there is one at `path`; nothing is left after an error.
        """
        return self._off_main(lambda: _create(path, function))

    def _off_main(self, work: Callable[[], T]) -> T:
        if threading.current_thread() is threading.main_thread():
            return self._pool.submit(work).result()
        return work()


def _visit(path: str, function: Callable[[], T]) -> T:
    target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with _return_home():
            _check(_libc.setns(target, _CLONE_NEWNET), path)
            return function()
    finally:
        os.close(target)


def _create(path: Path, function: Callable[[], T]) -> T:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    try:
        with _return_home():
            _check(_libc.unshare(_CLONE_NEWNET), "unshare")
            _check(_libc.mount(_OWN.encode(), os.fsencode(path), None, _MS_BIND, None), str(path))
            return function()
    except BaseException:
        remove(path)
        raise


def keep(path: Path, source: str) -> bool:
    """Mount the namespace at `source` (/proc/PID/ns/net, say) at `path`; False when there is none any more.

    Raises FileExistsError when there is one at `path`; nothing is left after an error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    try:
        _check(_libc.mount(source.encode(), os.fsencode(path), None, _MS_BIND, None), str(path))
    except BaseException as error:
        remove(path)
        if isinstance(error, FileNotFoundError):
            return False
        raise
    return True


def is_mounted(path: Path) -> bool:
    """Tell whether a namespace is mounted at `path` (an empty file there is a leftover)."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except FileNotFoundError:
        return False


def remove(path: Path) -> None:
    """Unmount and unlink; the kernel takes the namespace down by itself, later. Missing is fine."""
    if _libc.umount2(os.fsencode(path), _MNT_DETACH) != 0:
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOENT):  # not mounted, not there
            raise OSError(number, os.strerror(number), str(path))
    path.unlink(missing_ok=True)
