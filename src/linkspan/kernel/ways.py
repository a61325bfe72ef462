"""Ways: the host's routes that lead somewhere, with the names of their links, to be named in errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from linkspan.kernel import routes
from linkspan.kernel.wire import Netlink
from linkspan.model.addresses import Address, Subnet

_GET = 26
_HEADER_SIZE, _TYPE_AT = 12, 7
_UNICAST, _LOCAL = 1, 2
_MAIN, _LOCAL_TABLE = 254, 255


@dataclass(frozen=True, slots=True)
class Way:
    """A route to `destination`, or the host's own address (`local`); `table` is the number of its table."""

    destination: Subnet
    link: str = ""
    gateway: Address | None = None
    table: int = _MAIN
    local: bool = False

    def __str__(self) -> str:
        """Return it as `ip route` shows it."""
        words = ["local"] if self.local else []
        words.append(str(self.destination))
        words += ["via", str(self.gateway)] if self.gateway is not None else []
        words += ["dev", self.link] if self.link else []
        words += ["table", str(self.table)] if self.table not in (_MAIN, _LOCAL_TABLE) else []
        return " ".join(words)


def dump(netlink: Netlink, names: Mapping[int, str]) -> list[Way]:
    """Return the ways of every table, those of the main one first and the host's own addresses last.

    `names` are the links by index. Routes that only refuse (unreachable, blackhole, …) lead nowhere.
    """
    found = [
        Way(
            state.destination, names.get(state.link, ""), state.gateway, state.table, body[_TYPE_AT] == _LOCAL
        )
        for _, body in netlink.dump(_GET, bytes(_HEADER_SIZE))
        if body[_TYPE_AT] in (_UNICAST, _LOCAL)
        for state in (routes.route(body),)
    ]
    return sorted(found, key=lambda way: (way.local, way.table != _MAIN))
