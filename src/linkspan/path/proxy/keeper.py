"""The daemon's duplicates of the proxy's host sockets: they keep the ports ours while there is no proxy."""

from __future__ import annotations

import fcntl
import logging
import os
import resource
from collections.abc import Iterator

from linkspan.path.proxy.wire import Entry, batches, singles

log = logging.getLogger(__name__)

LOW = 1024  # libnftables' select() takes only descriptors below: they are left to others where possible
HEADROOM = 1024  # descriptors that the daemon needs for everything else

Key = tuple[str, str, int]  # protocol, host address, host port


class Keeper:
    """Holds one descriptor for each host port; not thread-safe.

    A duplicate keeps a socket bound and listening: while no process accepts, connects wait in its queue.
    """

    def __init__(self) -> None:
        self._kept: dict[Key, tuple[str, Entry, int]] = {}
        self._low: list[Key] = []

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, verb: str, entries: list[Entry], descriptors: list[int]) -> None:
        """Own `descriptors`, one for each port of `entries`; `verb` is how the proxy is given them.

        Those that the limit of open files has no room for are closed, which is logged.
        """
        ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - HEADROOM
        ports = [port for entry in entries for port in singles(entry)]
        closed = 0
        for entry, descriptor in zip(ports, descriptors, strict=True):
            if descriptor >= max(ceiling, LOW // 2):
                os.close(descriptor)
                closed += 1
                continue
            self._kept[entry[:3]] = (verb, entry, descriptor)
            if descriptor < LOW:
                self._low.append(entry[:3])
        if closed:
            log.warning(
                "%d published ports would not outlive a crash of the proxy: the limit of open files leaves "
                "the daemon no room to keep them; raise it with ulimit -n or LimitNOFILE=",
                closed,
            )
        self._raise()

    def _raise(self) -> None:
        """Move what has a low number, as far as the limit allows."""
        while self._low:
            key = self._low[-1]
            kept = self._kept.get(key)
            if kept and kept[2] < LOW:
                verb, entry, descriptor = kept
                try:
                    raised = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, LOW)
                except OSError:
                    return  # the limit is not above LOW, or is reached: tried again with the next port
                os.close(descriptor)
                self._kept[key] = (verb, entry, raised)
            self._low.pop()

    def drop(self, entries: list[Entry]) -> None:
        """Close what is kept for the ports of `entries`; unknown ones are fine."""
        for entry in entries:
            for port in singles(entry):
                kept = self._kept.pop(port[:3], None)
                if kept:
                    os.close(kept[2])

    def messages(self) -> Iterator[tuple[str, list[Entry], list[int]]]:
        """Yield verb, entries and descriptors of the messages that give everything to a new proxy."""
        for verb in sorted({verb for verb, _, _ in self._kept.values()}):
            mine = [(entry, descriptor) for each, entry, descriptor in self._kept.values() if each == verb]
            descriptors = [descriptor for _, descriptor in mine]
            for batch in batches([entry for entry, _ in mine]):
                yield verb, batch, descriptors[: len(batch)]
                descriptors = descriptors[len(batch) :]

    def close(self) -> None:
        """Close everything."""
        for _, _, descriptor in self._kept.values():
            os.close(descriptor)
        self._kept.clear()
        self._low.clear()
