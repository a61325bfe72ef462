"""Blueprint parts become kernel objects, one after the other; a failure undoes what was done."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from linkspan.blueprint.parts import Address, Bridge, LinkUp, Part, Route, Sysctl, VethPair
from linkspan.kernel import addresses, links, routes, sysctl
from linkspan.kernel.namespaces import Visitor
from linkspan.kernel.wire import Netlink
from linkspan.model.errors import KernelError

Undo = Callable[[], None]
_GONE = (errno.ENOENT, errno.ENODEV)


class Spaces:
    """The netlink sockets of one piece of work: the host's, and one in each sandbox it touches."""

    def __init__(self, host: Netlink, visitor: Visitor) -> None:
        self.host = host
        self.visitor = visitor
        self._inside: dict[str, Netlink] = {}

    def netlink(self, sandbox: str) -> Netlink:
        """Return a socket in `sandbox` ("": the host); raises FileNotFoundError when there is no sandbox."""
        if not sandbox:
            return self.host
        if sandbox not in self._inside:
            self._inside[sandbox] = self.visitor.inside(sandbox, Netlink)
        return self._inside[sandbox]

    def write(self, part: Sysctl, value: str) -> None:
        """Write a kernel parameter where `part` says."""
        self._visit(part.sandbox, lambda: sysctl.write(part.key, value))

    def read(self, part: Sysctl) -> str | None:
        """Return the present value of `part`'s parameter."""
        return self._visit(part.sandbox, lambda: sysctl.read(part.key))

    def _visit(self, sandbox: str, function: Callable[[], str | None]) -> str | None:
        return self.visitor.inside(sandbox, function) if sandbox else function()

    def close(self) -> None:
        """Close the sockets inside sandboxes: an open one would keep its namespace alive."""
        for netlink in self._inside.values():
            netlink.close()


def describe(part: Part) -> str:
    """Return what making `part` is called in an error: "adding 172.17.0.2/16 to eth0"."""
    match part:
        case Bridge():
            return f"making the bridge {part.name}"
        case VethPair():
            return f"making the veth pair {part.host_name} and {part.name} on {part.bridge}"
        case LinkUp():
            return f"setting {part.link} up"
        case Address():
            return f"adding {part.interface} to {part.link}"
        case Route():
            via = f" via {part.gateway}" if part.gateway else ""
            return f"adding the route {part.destination or 'default'}{via} on {part.link}"
        case Sysctl():
            return f"setting {part.key} to {part.value}"


@contextmanager
def _explained(part: Part) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        reason = error.strerror or os.strerror(number)
        raise KernelError(describe(part), number, reason) from error


def apply(spaces: Spaces, parts: Sequence[Part]) -> None:
    """Make `parts` in order; KernelError names the one that failed, after those before it were undone."""
    with ExitStack() as undo:
        for part in parts:
            with _explained(part):
                inverse = make(spaces, part)
            if inverse is not None:
                undo.callback(inverse)
        undo.pop_all()


def make(spaces: Spaces, part: Part) -> Undo | None:
    """Make one part and return what takes it back, None when nothing was changed."""
    match part:
        case Bridge():
            return None if part.adopted else _make_bridge(spaces, part)
        case VethPair():
            return _make_veth(spaces, part)
        case LinkUp():
            links.set_up(spaces.netlink(part.sandbox), part.link)
            return None
        case Address():
            addresses.add(spaces.netlink(part.sandbox), part.link, part.interface)
        case Route():
            routes.add(spaces.netlink(part.sandbox), part)
        case Sysctl():
            return _make_sysctl(spaces, part)
    return partial(unmake, spaces, part)


def _make_bridge(spaces: Spaces, bridge: Bridge) -> Undo:
    links.add_bridge(spaces.host, bridge)
    return partial(unmake, spaces, bridge)


def _make_veth(spaces: Spaces, pair: VethPair) -> Undo:
    sandbox = os.open(pair.sandbox, os.O_RDONLY | os.O_CLOEXEC)
    try:
        links.add_veth(spaces.host, pair, sandbox)
        links.set_up(spaces.netlink(pair.sandbox), pair.name)
    except BaseException as error:
        if getattr(error, "errno", None) != errno.EEXIST:
            unmake(spaces, pair)
        raise
    finally:
        os.close(sandbox)
    return partial(unmake, spaces, pair)


def _make_sysctl(spaces: Spaces, part: Sysctl) -> Undo | None:
    before = spaces.read(part)
    if before is None and not part.needed:
        return None
    if before == part.value:
        return None
    spaces.write(part, part.value)
    return partial(spaces.write, part, before or "")


def remove(spaces: Spaces, parts: Sequence[Part]) -> None:
    """Remove `parts` in reverse order; goes on after an error and raises all as an ExceptionGroup."""
    errors: list[Exception] = []
    for part in reversed(parts):
        try:
            with _explained(part):
                unmake(spaces, part)
        except KernelError as error:
            errors.append(KernelError(f"undoing: {error.attempt}", error.errno, error.reason))
    if errors:
        raise ExceptionGroup("the network could not be removed completely", errors)


def unmake(spaces: Spaces, part: Part) -> None:
    """Remove one part; what is missing, or was in a sandbox that is gone, is no error."""
    try:
        _unmake(spaces, part)
    except OSError as error:
        if error.errno not in _GONE:
            raise


def _unmake(spaces: Spaces, part: Part) -> None:
    match part:
        case Bridge():
            if not part.adopted:
                links.delete(spaces.host, part.name)
        case VethPair():
            links.delete(spaces.host, part.host_name)
        case Address():
            addresses.delete(spaces.netlink(part.sandbox), part.link, part.interface)
        case Route():
            routes.delete(spaces.netlink(part.sandbox), part)
        case LinkUp() | Sysctl():
            pass
