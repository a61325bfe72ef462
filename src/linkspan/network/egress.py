"""Where a network may go: the option `linkspan.egress.allow`, and what names stand for just now."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from linkspan.blueprint.facts import EgressOpen
from linkspan.model.addresses import Address, Subnet
from linkspan.model.allow_lists import parse_sources
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import NetworkSpec
from linkspan.network.settings import NetworkSettings

EGRESS = "linkspan.egress.allow"
_NAME = re.compile(r"(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z][a-z0-9-]{0,62}", re.ASCII)
_MOST_NAMES = 256
_GRACE = 30.0
"""Seconds that an address stays open beyond the life of the answer that named it: connecting takes time."""


@dataclass(frozen=True, slots=True)
class EgressList:
    """Destinations outside that a network may connect to; `*.example.org` is every name below it."""

    subnets: tuple[Subnet, ...] = ()
    names: tuple[str, ...] = ()

    def of_family(self, version: int) -> tuple[Subnet, ...]:
        """Return the subnets of one family."""
        return tuple(subnet for subnet in self.subnets if subnet.version == version)


def egress_list(options: Mapping[str, str]) -> EgressList | None:
    """Return what the options of a network allow, None for everything; raises InvalidParameter.

    An empty list allows nothing.
    """
    text = options.get(EGRESS)
    if text is None:
        return None
    entries = [entry.strip().lower().rstrip(".") for entry in text.split(",") if entry.strip()]
    names = tuple(dict.fromkeys(entry for entry in entries if _NAME.fullmatch(entry)))
    rest = [entry for entry in entries if entry not in names]
    if len(names) > _MOST_NAMES:
        raise InvalidParameter(
            f"invalid option {EGRESS}: {len(names)} names are too many: at most {_MOST_NAMES}"
        )
    try:
        subnets = parse_sources(",".join(rest)) if rest else ()
    except ValueError as error:
        raise InvalidParameter(
            f"invalid option {EGRESS}={text}: {error}, nor a name (example.org, *.example.org)"
        ) from error
    return EgressList(subnets, names)


def check_egress(spec: NetworkSpec, settings: NetworkSettings) -> None:
    """Raise InvalidParameter for a list that cannot be read, or that nothing would enforce."""
    if egress_list(dict(spec.options)) is None:
        return
    if spec.driver not in ("", "bridge"):
        raise InvalidParameter(f"option {EGRESS} needs the driver bridge, and {spec.name} is {spec.driver}")
    if spec.internal:
        raise InvalidParameter(f"option {EGRESS}: the internal network {spec.name} has no way out at all")
    if not settings.iptables or (spec.enable_ipv6 and not settings.ip6tables):
        raise InvalidParameter(
            f"option {EGRESS} needs the packet filter, and the daemon was started without"
            f" (--{'ip6tables' if settings.iptables else 'iptables'}=false)"
        )


class Filter(Protocol):
    """The packet filter, as far as it is needed here."""

    def add(self, facts: tuple[EgressOpen, ...]) -> None: ...
    def remove(self, facts: tuple[EgressOpen, ...]) -> None: ...


class OpenNames:
    """The addresses that answers have opened, each until its answer has expired; thread-safe."""

    def __init__(self, firewall: Filter, clock: Callable[[], float] = time.monotonic) -> None:
        self._firewall = firewall
        self._clock = clock
        self._until: dict[EgressOpen, float] = {}
        self._lock = threading.Lock()

    def admit(self, bridge: str, addresses: Iterable[Address], seconds: float) -> None:
        """Let `bridge` connect to `addresses` for as long as their answer lives; raises KernelError."""
        with self._lock:
            wanted = tuple(EgressOpen(bridge, address) for address in dict.fromkeys(addresses))
            if fresh := tuple(fact for fact in wanted if fact not in self._until):
                self._firewall.add(fresh)
            until = self._clock() + seconds + _GRACE
            for fact in wanted:
                self._until[fact] = max(until, self._until.get(fact, 0.0))

    def sweep(self) -> float:
        """Close what has expired; returns the seconds until the next will, 0 if there is none."""
        with self._lock:
            now = self._clock()
            self._close([fact for fact, until in self._until.items() if until <= now])
            return max(min(self._until.values()) - now, 0.1) if self._until else 0.0

    def forget(self, bridge: str) -> None:
        """Close all that was open for a bridge: its network goes."""
        with self._lock:
            self._close([fact for fact in self._until if fact.bridge == bridge])

    def _close(self, doomed: list[EgressOpen]) -> None:
        if doomed:
            self._firewall.remove(tuple(doomed))
        for fact in doomed:
            del self._until[fact]
