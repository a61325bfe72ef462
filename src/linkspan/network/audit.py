"""The audit of a running host: store, blueprint and kernel compared, and put right where that is asked for.

Nobody joins, leaves, or changes a network meanwhile, so that nothing is taken for lost that is only on its
way. That holds requests up for as long as reading links, rules and sockets takes.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from linkspan.model.errors import LinkspanError, Unavailable
from linkspan.network.adapters import Filter, Kernel
from linkspan.network.differences import FORWARDING, Difference, Differences
from linkspan.network.healing import Healing
from linkspan.network.locks import KeyedLocks
from linkspan.network.networks import Networks
from linkspan.network.settings import NetworkSettings

PATIENCE = 10.0
"""Seconds that requests under way may take to end."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One difference, and what became of it: `failure` says why a repair that was asked for was not done."""

    text: str
    repaired: bool = False
    failure: str = ""
    remedy: str = ""


class Audit:
    """Compares on request; blocking and thread-safe."""

    def __init__(
        self,
        kernel: Kernel,
        firewall: Filter,
        differences: Differences,
        healing: Healing,
        networks: Networks,
        locks: KeyedLocks,
        settings: NetworkSettings,
    ) -> None:
        self._kernel = kernel
        self._firewall = firewall
        self._differences = differences
        self._healing = healing
        self._networks = networks
        self._locks = locks
        self._settings = settings

    def run(self, repair: bool) -> list[Verdict]:
        """Return all differences; with `repair` each is put right first.

        Raises Unavailable when the requests under way do not end in PATIENCE seconds.
        """
        try:
            with self._locks.alone(PATIENCE), self._networks.unchanged():
                return [_judged(difference, repair) for difference in self._found()]
        except TimeoutError as error:
            raise Unavailable(f"the host cannot be compared while it changes: {error}; try again") from error

    def _found(self) -> Iterator[Difference]:
        """Yield differences in the order of their repair: what a repair brings along is not told twice."""
        yield from self._differences.networks()
        yield from self._forwarding()
        yield from self._differences.links()
        yield from self._differences.namespaces()
        loose = self._healing.loose()
        for sandbox in loose:
            what = f"link of container {sandbox.container.name}, or its place in the bridge,"
            yield Difference(what, False, partial(self._healing.plug, sandbox.container.id))
        yield from self._differences.insides({sandbox.container.id for sandbox in loose})
        for text in self._firewall.differences():
            yield Difference(text, None, self._firewall.restore)
        yield from self._differences.listeners()
        yield from self._differences.leases()

    def _forwarding(self) -> Iterator[Difference]:
        if self._settings.ip_forward and not self._kernel.forwards():
            yield Difference(
                "net.ipv4.ip_forward=1, without which containers reach nothing outside,",
                False,
                partial(self._kernel.apply, (FORWARDING,)),
            )


def _judged(difference: Difference, repair: bool) -> Verdict:
    if not repair or difference.repair is None:
        return Verdict(difference.text, remedy=difference.remedy)
    try:
        difference.repair()
    except (LinkspanError, OSError, ExceptionGroup) as error:
        return Verdict(difference.text, failure=str(error), remedy=_advice(error))
    return Verdict(difference.text, repaired=True)


def _advice(error: Exception) -> str:
    busy = getattr(error, "errno", 0) == errno.EADDRINUSE or "address already in use" in str(error)
    return "another program has the port: see `ss -tulpn`, stop it, and look again" if busy else ""
