"""The namespaces that one piece of work touches: the host's sockets, and one in each sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from linkspan.kernel import links
from linkspan.kernel.namespaces import Visitor
from linkspan.kernel.reaper import Reaper
from linkspan.kernel.wire import Netlink

T = TypeVar("T")


class Spaces:
    """Sockets and link indexes of one piece of work; a sandbox is named by its path, the host by ""."""

    def __init__(self, host: Netlink, home: str, visitor: Visitor, reaper: Reaper) -> None:
        """Start with a socket of the host, whose namespace is at the path `home`."""
        self.host = host
        self._home = home
        self._visitor = visitor
        self._reaper = reaper
        self._inside: dict[str, Netlink] = {}
        self._indexes: dict[tuple[str, str], int] = {}

    def netlink(self, sandbox: str = "") -> Netlink:
        """Return a socket in `sandbox`; raises FileNotFoundError when there is none."""
        if not sandbox:
            return self.host
        if sandbox not in self._inside:
            self._inside[sandbox] = self._visitor.inside(sandbox, Netlink)
        return self._inside[sandbox]

    def index(self, link: str, sandbox: str = "") -> int:
        """Return the index of a link, asked once; raises NetlinkError ENODEV when there is none."""
        key = (sandbox, link)
        if key not in self._indexes:
            self._indexes[key] = links.index_of(self.netlink(sandbox), link)
        return self._indexes[key]

    @contextmanager
    def opened(self, sandbox: str) -> Iterator[int]:
        """Lend a descriptor of a namespace; raises FileNotFoundError when there is none."""
        descriptor = os.open(sandbox or self._home, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def visit(self, sandbox: str, function: Callable[[], T]) -> T:
        """Return `function()`, run in the namespace of `sandbox`."""
        return self._visitor.inside(sandbox or self._home, function)

    def delete(self, names: Sequence[str]) -> None:
        """Delete links of the host; raises NetlinkError, missing ones are fine."""
        self._reaper.delete(names)

    def close(self) -> None:
        """Close the sockets inside sandboxes: an open one would keep its namespace alive."""
        for netlink in self._inside.values():
            netlink.close()
