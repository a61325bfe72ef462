"""HostKernel: all that the rest of the engine asks of the kernel's network, for the host it was made in.

One endpoint, with its namespace, takes 1.3 to 2 ms, nearly all of it inside the kernel. Measure that, and the
figures in the methods below, with bench/attach_floor.py (here: 2 cores, Linux 6.18, medians).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from queue import Empty, LifoQueue
from typing import TypeVar

from linkspan.blueprint.announcements import Announcement
from linkspan.blueprint.parts import MovedLink, Part, Route, SubLink, VethPair
from linkspan.kernel import addresses, apply, conntrack, links, namespaces, routes, sublinks, sysctl, ways
from linkspan.kernel.announce import Announcer
from linkspan.kernel.links import LinkState, LinkStatistics
from linkspan.kernel.namespaces import Visitor
from linkspan.kernel.notices import Notices
from linkspan.kernel.reaper import Reaper
from linkspan.kernel.routes import RouteState
from linkspan.kernel.spaces import Spaces
from linkspan.kernel.vanishing import Vanishing, Watch
from linkspan.kernel.ways import Way
from linkspan.kernel.wire import Netlink
from linkspan.model.addresses import Address, Interface, Subnet

T = TypeVar("T")
_FEW_FLOWS = 1000
_FEW_WALKS = 30
log = logging.getLogger(__name__)


class HostKernel:
    """Links, addresses, routes, namespaces and connection tracking of one host; for any thread."""

    def __init__(self) -> None:
        """Take the namespace of the calling thread as the host; raises OSError."""
        self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._home = f"/proc/self/fd/{self._namespace}"
        self._visitor = Visitor()
        self._idle: LifoQueue[Netlink] = LifoQueue()
        self._idle.put(Netlink())
        self._tracking: LifoQueue[Netlink] = LifoQueue()
        self._vanishing = Vanishing(self._delete, self._watch)
        self._reaper = Reaper(self._vanishing.delete)
        self._announcer = Announcer(self._visitor.inside)

    def close(self) -> None:
        """Close every socket; nobody may be at work with it any more."""
        self._announcer.close()
        self._vanishing.close()
        for pool in (self._idle, self._tracking):
            while not pool.empty():
                pool.get_nowait().close()
        self._visitor.close()
        os.close(self._namespace)

    @contextmanager
    def _borrowed(self, pool: LifoQueue[Netlink], make: Callable[[], Netlink]) -> Iterator[Netlink]:
        """Lend a socket of the host; one that misunderstood an answer is not used again."""
        try:
            netlink = pool.get_nowait()
        except Empty:
            netlink = self._visitor.inside(self._home, make)
        try:
            yield netlink
        except (ValueError, KeyError, IndexError):
            netlink.close()
            raise
        except BaseException:
            pool.put(netlink)
            raise
        else:
            pool.put(netlink)

    @contextmanager
    def _spaces(self) -> Iterator[Spaces]:
        with self._borrowed(self._idle, Netlink) as netlink:
            spaces = Spaces(netlink, self._home, self._visitor, self._reaper)
            try:
                yield spaces
            finally:
                spaces.close()

    def _watch(self) -> Watch:
        return self._visitor.inside(self._home, Watch)

    def _delete(self, names: Sequence[str]) -> None:
        with self._borrowed(self._idle, Netlink) as netlink:
            links.delete(netlink, names)

    def create_sandbox(self, path: Path, source: str = "") -> None:
        """Make a network namespace mounted at `path`, with lo up, or mount the one at `source` there.

        If there is none at `source` any more, a new one is made.

        Raises KernelError, EEXIST when one is mounted there; a mere file, left over by a crash, is replaced.
        """
        with apply.explained(f"making the network namespace {path}"):
            if path.exists() and not namespaces.is_mounted(path):
                path.unlink()
            if not (source and namespaces.keep(path, source)):
                self._visitor.create(path, _lo_up)

    def remove_sandbox(self, path: Path) -> None:
        """Let the namespace at `path` go; missing is fine. Raises KernelError.

        Takes about 0.1 ms: the kernel takes down what is in it by itself, later, once nobody uses it.
        """
        with apply.explained(f"removing the network namespace {path}"):
            namespaces.remove(path)

    def apply(self, parts: Sequence[Part]) -> None:
        """Make `parts` in order; on failure undo what was made and raise KernelError naming the step.

        An address that is there already is no failure.
        """
        with self._spaces() as spaces:
            apply.apply(spaces, parts)

    def remove(self, parts: Sequence[Part]) -> None:
        """Remove `parts` in reverse order; missing ones are fine; all errors come as one ExceptionGroup."""
        with self._spaces() as spaces:
            apply.remove(spaces, parts)

    def detach_links(self, parts: Sequence[Part]) -> None:
        """Make the veth pairs among `parts` vanish from the host now, when their sandbox goes anyway.

        Nobody who was told that a container is gone should see its veth. That takes 1 ms; the kernel goes on
        for 20 ms (see vanishing.py). To let go of the namespace instead returns at once, but the veth would
        stay for 20 to 40 ms, or for as long as a process is in there. Raises KernelError.
        """
        if any(
            isinstance(part, SubLink | MovedLink) or (isinstance(part, Route) and not part.sandbox)
            for part in parts
        ):
            with self._spaces() as spaces:
                apply.detach(spaces, parts)
        names = [part.host_name for part in parts if isinstance(part, VethPair)]
        with apply.explained(f"removing {', '.join(names)}"):
            self._reaper.delete(names)

    def link(self, name: str, sandbox: str = "") -> LinkState | None:
        """Return one link by its name or altname, or None; raises KernelError when there is no sandbox."""
        with apply.explained(f"looking for {name}"), self._spaces() as spaces:
            return links.get(spaces.netlink(sandbox), name)

    def knows(self, kind: str) -> bool:
        """Tell whether the kernel can make macvlan, ipvlan or vlan links; its module is loaded if need be."""
        with apply.explained(f"asking for {kind} links"), self._spaces() as spaces:
            return sublinks.is_known(spaces.host, kind)

    def links(self, sandbox: str = "") -> list[LinkState]:
        """Return every link of the host or of a sandbox; raises KernelError."""
        with apply.explained("reading the links"), self._spaces() as spaces:
            return links.dump(spaces.netlink(sandbox))

    def statistics(self, sandbox: str) -> dict[str, LinkStatistics]:
        """Return the counters of every link of a sandbox but lo, by name; raises KernelError."""
        with apply.explained("reading the counters of the links"), self._spaces() as spaces:
            found = links.statistics(spaces.netlink(sandbox))
        found.pop("lo", None)
        return found

    def counted_links(self) -> list[tuple[LinkState, LinkStatistics]]:
        """Return every link of the host with its counters; raises KernelError."""
        with apply.explained("reading the counters of the links"), self._spaces() as spaces:
            return links.counted(spaces.host)

    def subnets_in_use(self) -> list[Subnet]:
        """Return where any route of any table leads and what any address is on-link with, both families.

        Default routes are left out. Raises KernelError.
        """
        with apply.explained("reading the routes"), self._spaces() as spaces:
            found = routes.subnets_in_use(spaces.host)
            found += [interface.network for _, interface in addresses.dump(spaces.host)]
        return list(dict.fromkeys(found))

    def host_addresses(self) -> list[Interface]:
        """Return the addresses of the host, lo's included; raises KernelError."""
        with apply.explained("reading the addresses"), self._spaces() as spaces:
            return [interface for _, interface in addresses.dump(spaces.host)]

    def addresses_by_index(self) -> dict[int, list[Interface]]:
        """Return the addresses of the host by the index of their link; raises KernelError."""
        found: dict[int, list[Interface]] = {}
        with apply.explained("reading the addresses"), self._spaces() as spaces:
            for index, interface in addresses.dump(spaces.host):
                found.setdefault(index, []).append(interface)
        return found

    def addresses(self, link: str, sandbox: str = "") -> list[Interface]:
        """Return the addresses of one link; raises KernelError, ENODEV when there is no such link."""
        with apply.explained(f"reading the addresses of {link}"), self._spaces() as spaces:
            index = spaces.index(link, sandbox)
            found = addresses.dump(spaces.netlink(sandbox))
        return [interface for owner, interface in found if owner == index]

    def routes(self, sandbox: str = "") -> list[RouteState]:
        """Return the routes of every table of the host or of a sandbox; raises KernelError."""
        with apply.explained("reading the routes"), self._spaces() as spaces:
            return routes.dump(spaces.netlink(sandbox))

    def ways(self) -> list[Way]:
        """Return the host's routes that lead somewhere, those of the main table first; raises KernelError."""
        with apply.explained("reading the routes"), self._spaces() as spaces:
            names = {link.index: link.name for link in links.dump(spaces.host)}
            return ways.dump(spaces.host, names)

    def route_to(self, destination: Address, sandbox: str = "") -> RouteState:
        """Return the way of a packet to `destination`; raises KernelError, ENETUNREACH when there is none."""
        with apply.explained(f"looking for the route to {destination}"), self._spaces() as spaces:
            return routes.get(spaces.netlink(sandbox), destination)

    def uplink_mtu(self) -> int:
        """Return the MTU of the link with the host's default route (IPv4 first), 0 without such a route."""
        with apply.explained("looking for the default route"), self._spaces() as spaces:
            index = routes.uplink(spaces.host)
            found = [link.mtu for link in links.dump(spaces.host) if link.index == index]
        return found[0] if found else 0

    def keep_advertised_routes(self) -> None:
        """Let links that have routes from router advertisements accept further ones, as a router, too.

        With accept_ra=1 the kernel takes no more of them once it forwards, and the routes expire. Source:
        Linux Documentation/networking/ip-sysctl.rst, accept_ra.
        """
        with apply.explained("keeping routes of router advertisements"), self._spaces() as spaces:
            indexes = routes.advertised(spaces.host)
            for name in [link.name for link in links.dump(spaces.host) if link.index in indexes]:
                key = f"net.ipv6.conf.{name.replace('.', '/')}.accept_ra"
                if spaces.visit("", partial(sysctl.read, key)) == "1":
                    spaces.visit("", partial(sysctl.exchange, key, "2"))

    def forwards(self) -> bool:
        """Tell whether the host forwards IPv4 packets between its links; raises KernelError."""
        with apply.explained("reading net.ipv4.ip_forward"), self._spaces() as spaces:
            return spaces.visit("", partial(sysctl.read, "net.ipv4.ip_forward")) == "1"

    def plug(self, link: str, bridge: str) -> None:
        """Make a link a port of a bridge; raises KernelError."""
        with apply.explained(f"plugging {link} into {bridge}"), self._spaces() as spaces:
            links.set_master(spaces.host, link, spaces.index(bridge))

    def notices(self) -> Notices:
        """Begin to listen to changes of the host, whoever makes them; raises OSError."""
        return self._visitor.inside(self._home, Notices)

    def announce(self, announcements: Sequence[Announcement]) -> None:
        """Tell the neighbours of new interfaces their MAC addresses, soon and without anybody waiting."""
        self._announcer.announce(announcements)

    def in_sandbox(self, path: str, function: Callable[[], T]) -> T:
        """Return `function()`, run inside the namespace at `path` ("": the host); its sockets stay in there.

        Raises what `function` raises, and FileNotFoundError when there is no such namespace.
        """
        return self._visitor.inside(path or self._home, function)

    def flush_conntrack(
        self, *, addresses: Sequence[Address] = (), udp_ports: Sequence[tuple[Address, int]] = ()
    ) -> None:
        """Forget the tracked flows of endpoint addresses, and of published UDP ports by host port.

        Does nothing on a kernel that does not offer its flows over netlink. Raises KernelError.
        """
        if not (addresses or udp_ports) or not self._can_flush:
            return
        count = self._visitor.inside(self._home, conntrack.tracked)
        if not count:
            return
        with (
            apply.explained("forgetting tracked flows"),
            self._borrowed(self._tracking, conntrack.open_socket) as netlink,
        ):
            if self._can_choose and len(addresses) + len(udp_ports) <= _FEW_WALKS:
                conntrack.flush(netlink, addresses, udp_ports)
            else:
                conntrack.flush_by_dump(netlink, addresses, udp_ports, few=count <= _FEW_FLOWS)

    @cached_property
    def _can_choose(self) -> bool:
        return conntrack.deletes_by_filter(os.uname().release)

    @cached_property
    def _can_flush(self) -> bool:
        with self._borrowed(self._tracking, conntrack.open_socket) as netlink:
            available = conntrack.is_available(netlink)
        if not available:
            log.warning("the kernel offers no tracked flows over netlink: they will expire by themselves")
        return available


def _lo_up() -> None:
    netlink = Netlink()
    try:
        links.set_up(netlink, "lo")
    finally:
        netlink.close()
