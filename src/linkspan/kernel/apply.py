"""Blueprint parts become kernel objects, one after the other; a failure undoes what was done."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from linkspan.blueprint.parts import (
    Address,
    Bridge,
    LinkUp,
    MovedLink,
    Part,
    Route,
    Shaper,
    SubLink,
    Sysctl,
    VethPair,
)
from linkspan.blueprint.steps import Add, Remove, Step, links_of, needs
from linkspan.kernel import addresses, links, routes, shaping, sublinks, sysctl
from linkspan.kernel.spaces import Spaces
from linkspan.model.errors import KernelError

Undo = Callable[[], object]
NO_BRIDGE_FILTER = (
    "this kernel has no br_netfilter, which keeps containers of one bridge apart:"
    " load it (modprobe br_netfilter),"
    " or set DOCKER_IGNORE_BR_NETFILTER_ERROR=1 in the daemon's environment to do without"
)
_MISSING = (errno.ENOENT, errno.ENODEV, errno.EADDRNOTAVAIL, errno.ESRCH)


@contextmanager
def explained(attempt: str) -> Iterator[None]:
    """Turn an OSError into a KernelError that says what was attempted."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        raise KernelError(attempt, number, error.strerror or os.strerror(number)) from error


def apply(spaces: Spaces, parts: Sequence[Part]) -> None:
    """Make `parts` in order.

    Raises KernelError that names the part that failed, after everything before it was undone; what could not
    be undone is in the error's notes.
    """
    undo: list[tuple[Step, Undo]] = []
    try:
        for part in parts:
            step = Add(part)
            with explained(str(step)):
                for inverse in make(spaces, part):
                    undo.append((step.inverse, inverse))  # at once: make() may still fail after it
    except BaseException as error:
        for inverse_step, inverse in reversed(undo):
            try:
                inverse()
            except OSError as problem:
                error.add_note(f"{inverse_step}: {problem.strerror}")
        raise


def make(spaces: Spaces, part: Part) -> Iterator[Undo]:
    """Make one part, and yield what takes it back; nothing if nothing was changed. Raises OSError."""
    match part:
        case Bridge(adopted=False):
            yield from _make_bridge(spaces, part)
        case VethPair():
            yield from _make_veth(spaces, part)
        case SubLink():
            yield from _make_sub_link(spaces, part)
        case MovedLink():
            yield from _move_in(spaces, part)
        case LinkUp():
            yield from _set_up(spaces, part)
        case Address():
            yield from _add_address(spaces, part)
        case Route():
            yield _add_route(spaces, part)
        case Sysctl():
            yield from _set(spaces, part)
        case Shaper():
            yield _shape(spaces, part)


def _make_bridge(spaces: Spaces, bridge: Bridge) -> Iterator[Undo]:
    links.create_bridge(spaces.host, bridge)
    yield partial(spaces.delete, [bridge.name])
    links.finish_bridge(spaces.host, bridge)


def _make_veth(spaces: Spaces, pair: VethPair) -> Iterator[Undo]:
    master = spaces.index(pair.bridge) if pair.bridge else 0
    with spaces.opened(pair.sandbox) as namespace:
        links.create_veth(spaces.host, pair, namespace, master)
    yield partial(spaces.delete, [pair.host_name])
    links.finish_veth(spaces.host, pair)
    links.set_up(spaces.netlink(pair.sandbox), pair.name)


def _make_sub_link(spaces: Spaces, link: SubLink) -> Iterator[Undo]:
    parent = spaces.index(link.parent)
    with spaces.opened(link.sandbox) as namespace:
        sublinks.create(spaces.host, link, namespace, parent)
    yield partial(_delete_sub_links, spaces, [link])
    sublinks.finish(spaces.netlink(link.sandbox), link)


def _delete_sub_links(spaces: Spaces, doomed: Sequence[SubLink]) -> None:
    """Delete links wherever they are, those of one namespace together."""
    for sandbox in dict.fromkeys(link.sandbox for link in doomed):
        names = [link.name for link in doomed if link.sandbox == sandbox]
        if sandbox:
            links.delete(spaces.netlink(sandbox), names)
        else:
            spaces.delete(names)


def _move_in(spaces: Spaces, part: MovedLink) -> Iterator[Undo]:
    with spaces.opened(part.sandbox) as namespace:
        try:
            links.move(spaces.host, part.source, namespace, part.name)
        except OSError:
            _bring_home(spaces, part.sandbox, part.source, part.source)
            raise
    yield partial(_move_back, spaces, part)
    inside = spaces.netlink(part.sandbox)
    if part.mac:
        links.set_mac(inside, part.name, part.mac)
    links.set_up(inside, part.name)


def _move_back(spaces: Spaces, part: MovedLink) -> None:
    links.set_up(spaces.netlink(part.sandbox), part.name, False)
    _bring_home(spaces, part.sandbox, part.name, part.source)


def _bring_home(spaces: Spaces, sandbox: str, name: str, new: str) -> None:
    """Move a link of a sandbox to the host. The kernel renames after the move, and may fail in between."""
    inside = spaces.netlink(sandbox)
    if links.get(inside, name) is not None:
        with spaces.opened("") as home:
            links.move(inside, name, home, new)


def detach(spaces: Spaces, parts: Sequence[Part]) -> None:
    """Remove what the host and its wires still know of a sandbox that goes: routes to it, links on parents.

    A macvlan link would keep its MAC address, or the parent's passthru mode, until the kernel has taken the
    namespace down; a plugin's link would go with it, and belongs to the plugin. Raises ExceptionGroup of
    KernelErrors.
    """
    problems: list[KernelError] = []
    for part in parts:
        if isinstance(part, MovedLink) or (isinstance(part, Route) and not part.sandbox):
            _attempt(str(Remove(part)), partial(_remove_one, spaces, part), problems)
    if doomed := [part for part in parts if isinstance(part, SubLink) and part.sandbox]:
        names = ", ".join(link.name for link in doomed)
        _attempt(f"removing {names}", partial(_delete_sub_links, spaces, doomed), problems)
    if problems:
        raise ExceptionGroup("detaching a sandbox", problems)


def _set_up(spaces: Spaces, part: LinkUp) -> Iterator[Undo]:
    netlink = spaces.netlink(part.sandbox)
    state = links.get(netlink, part.link)
    links.set_up(netlink, part.link)
    if state is not None and not state.up:
        yield partial(links.set_up, netlink, part.link, False)


def _add_address(spaces: Spaces, part: Address) -> Iterator[Undo]:
    netlink, index = spaces.netlink(part.sandbox), spaces.index(part.link, part.sandbox)
    try:
        addresses.add(netlink, index, part.interface)
    except OSError as error:
        if error.errno != errno.EEXIST:  # an adopted bridge has its address already
            raise
        return
    yield partial(addresses.remove, netlink, index, part.interface)


def _add_route(spaces: Spaces, part: Route) -> Undo:
    netlink, index = spaces.netlink(part.sandbox), spaces.index(part.link, part.sandbox)
    routes.add(netlink, index, part.destination, part.gateway)
    return partial(routes.remove, netlink, index, part.destination, part.gateway)


def _shape(spaces: Spaces, part: Shaper) -> Undo:
    netlink, index = spaces.netlink(part.sandbox), spaces.index(part.link, part.sandbox)
    shaping.shape(netlink, index, part.rate)
    return partial(shaping.unshape, netlink, index)


def _set(spaces: Spaces, part: Sysctl) -> Iterator[Undo]:
    try:
        before = spaces.visit(part.sandbox, partial(sysctl.exchange, part.key, part.value))
    except FileNotFoundError as error:
        if part.needed and part.key.startswith("net.bridge."):
            raise FileNotFoundError(errno.ENOENT, NO_BRIDGE_FILTER) from error
        if part.needed:
            raise
        return
    if before != part.value:
        yield partial(spaces.visit, part.sandbox, partial(sysctl.exchange, part.key, before))


def remove(spaces: Spaces, parts: Sequence[Part]) -> None:
    """Remove `parts` in reverse order, the links last and all at once; what is missing is no error.

    What vanishes with a link of `parts` is not removed on its own. Goes on after an error, and raises an
    ExceptionGroup of KernelErrors at the end.
    """
    doomed = frozenset().union(*map(links_of, parts))
    problems: list[KernelError] = []
    for part in reversed(parts):
        if not needs(part) & doomed:
            _attempt(str(Remove(part)), partial(_remove_one, spaces, part), problems)
    if names := [name for part in parts for name in _host_links(part)]:
        _attempt(f"removing {', '.join(names)}", partial(spaces.delete, names), problems)
    if problems:
        raise ExceptionGroup("removing parts of the network", problems)


def _attempt(attempt: str, work: Undo, problems: list[KernelError]) -> None:
    try:
        with explained(attempt):
            work()
    except KernelError as error:
        if error.errno not in _MISSING:
            problems.append(error)


def _host_links(part: Part) -> Iterator[str]:
    match part:
        case Bridge(adopted=False) | SubLink(sandbox=""):
            yield part.name
        case VethPair():
            yield part.host_name


def _remove_one(spaces: Spaces, part: Part) -> None:
    match part:
        case SubLink() if part.sandbox:
            _delete_sub_links(spaces, [part])
        case MovedLink():
            _move_back(spaces, part)
        case Address():
            index = spaces.index(part.link, part.sandbox)
            addresses.remove(spaces.netlink(part.sandbox), index, part.interface)
        case Route():
            index = spaces.index(part.link, part.sandbox)
            routes.remove(spaces.netlink(part.sandbox), index, part.destination, part.gateway)
        case Shaper():
            shaping.unshape(spaces.netlink(part.sandbox), spaces.index(part.link, part.sandbox))
