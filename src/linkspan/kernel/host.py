"""HostKernel: all that the rest of the engine asks of the kernel's network, for the host it was made in.

It may be used from many threads at once, all of them in the host's namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, LifoQueue
from typing import TypeVar

from linkspan.blueprint.parts import Part, VethPair
from linkspan.kernel import addresses, apply, conntrack, links, namespaces, routes
from linkspan.kernel.apply import Spaces
from linkspan.kernel.links import LinkState, LinkStatistics
from linkspan.kernel.namespaces import Visitor
from linkspan.kernel.wire import Netlink
from linkspan.model.addresses import Address, Interface, Subnet
from linkspan.model.errors import KernelError

T = TypeVar("T")


class HostKernel:
    """Links, addresses, routes, namespaces and connection tracking of one host."""

    def __init__(self) -> None:
        """Open the first sockets in the calling thread's namespace: that namespace is the host."""
        self._visitor = Visitor()
        self._idle: LifoQueue[Netlink] = LifoQueue()
        self._idle.put(Netlink())
        self._tracking: LifoQueue[Netlink] = LifoQueue()

    def close(self) -> None:
        """Close every socket."""
        for pool in (self._idle, self._tracking):
            while not pool.empty():
                pool.get_nowait().close()
        self._visitor.close()

    @contextmanager
    def _netlink(self) -> Iterator[Netlink]:
        with _borrowed(self._idle, Netlink) as netlink:
            yield netlink

    @contextmanager
    def _spaces(self) -> Iterator[Spaces]:
        with self._netlink() as netlink:
            spaces = Spaces(netlink, self._visitor)
            try:
                yield spaces
            finally:
                spaces.close()

    def create_sandbox(self, path: Path) -> None:
        """Make a network namespace mounted at `path`, with lo up; KernelError when it cannot be made."""
        try:
            self._visitor.create(path, _lo_up)
        except OSError as error:
            reason = error.strerror or "refused"
            raise KernelError(f"making the network namespace {path}", error.errno or 0, reason) from error

    def remove_sandbox(self, path: Path) -> None:
        """Let the namespace at `path` go. The kernel removes what is in it by itself, a little later."""
        namespaces.remove(path)

    def apply(self, parts: Sequence[Part]) -> None:
        """Make `parts` in order; on failure undo what was made and raise KernelError naming the step."""
        with self._spaces() as spaces:
            apply.apply(spaces, parts)

    def remove(self, parts: Sequence[Part]) -> None:
        """Remove `parts` in reverse order; missing ones are fine; all errors come as one ExceptionGroup."""
        with self._spaces() as spaces:
            apply.remove(spaces, parts)

    def detach_links(self, parts: Sequence[Part]) -> None:
        """Make the veth pairs among `parts` vanish from the host now, when their sandbox goes anyway."""
        self.remove([part for part in parts if isinstance(part, VethPair)])

    def link(self, name: str, sandbox: str = "") -> LinkState | None:
        """Return one link, or None."""
        with self._spaces() as spaces:
            return links.get(spaces.netlink(sandbox), name)

    def links(self, sandbox: str = "") -> list[LinkState]:
        """Return every link of the host or of a sandbox."""
        with self._spaces() as spaces:
            return links.dump(spaces.netlink(sandbox))

    def subnets_in_use(self) -> list[Subnet]:
        """Return the destinations of every route of every table, default routes excluded."""
        with self._netlink() as netlink:
            return routes.subnets(netlink)

    def host_addresses(self) -> list[Interface]:
        """Return the addresses of the host, lo's included."""
        with self._netlink() as netlink:
            return [interface for _, interface in addresses.dump(netlink)]

    def addresses(self, link: str, sandbox: str = "") -> list[Interface]:
        """Return the addresses of one link."""
        with self._spaces() as spaces:
            netlink = spaces.netlink(sandbox)
            index = links.index_of(netlink, link)
            return [interface for owner, interface in addresses.dump(netlink) if owner == index]

    def statistics(self, sandbox: str) -> dict[str, LinkStatistics]:
        """Return the counters of every link of a sandbox but lo."""
        found = ((state.name, state.statistics) for state in self.links(sandbox))
        return {name: counters for name, counters in found if counters is not None and name != "lo"}

    def in_sandbox(self, path: str, function: Callable[[], T]) -> T:
        """Return `function()`, run inside the namespace at `path`; sockets it opens stay in there."""
        return self._visitor.inside(path, function)

    def flush_conntrack(
        self, *, addresses: Sequence[Address] = (), udp_ports: Sequence[tuple[Address, int]] = ()
    ) -> None:
        """Delete the tracked flows of endpoint addresses, and of published UDP ports by host port."""
        with _borrowed(self._tracking, conntrack.open_socket) as netlink:
            conntrack.flush(netlink, addresses, udp_ports)


def _lo_up() -> None:
    netlink = Netlink()
    try:
        links.set_up(netlink, "lo")
    finally:
        netlink.close()


@contextmanager
def _borrowed(pool: LifoQueue[Netlink], make: Callable[[], Netlink]) -> Iterator[Netlink]:
    try:
        netlink = pool.get_nowait()
    except Empty:
        netlink = make()
    try:
        yield netlink
    except ValueError:
        netlink.close()
        raise
    except BaseException:
        pool.put(netlink)
        raise
    else:
        pool.put(netlink)
