"""Which packet filter to use, and the move from the one that an earlier run of the daemon used."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from linkspan.blueprint.facts import Fact
from linkspan.firewall.backend import Firewall
from linkspan.firewall.iptables import IptablesFirewall
from linkspan.firewall.nftables import NftablesFirewall
from linkspan.firewall.programs import installed
from linkspan.model.errors import LinkspanError

log = logging.getLogger(__name__)


def choose(
    backend: str,
    journal: Path,
    *,
    userland_proxy: bool = True,
    ip6tables: bool = True,
    accept_mark: str = "",
) -> MovingFirewall:
    """Return the firewall for `backend`: "auto" is iptables where its programs are installed, as Docker's.

    `journal` is the file in which the iptables backend notes its rules; nothing is touched before `start`.
    """
    nftables = NftablesFirewall(userland_proxy=userland_proxy, ip6tables=ip6tables, accept_mark=accept_mark)
    iptables = IptablesFirewall(
        journal=journal, userland_proxy=userland_proxy, ip6tables=ip6tables, accept_mark=accept_mark
    )
    if backend == "nftables" or (backend == "auto" and not installed()):
        return MovingFirewall(nftables, iptables if journal.exists() else None)
    return MovingFirewall(iptables, nftables)


class MovingFirewall:
    """A firewall that at its start removes what a former one, the other kind, left; its own first.

    So a packet finds one or both in force, and never neither. What cannot be removed is logged.
    """

    def __init__(self, firewall: Firewall, former: Firewall | None) -> None:
        self.name = firewall.name
        self._firewall = firewall
        self._former = former

    def start(self, facts: Sequence[Fact] = ()) -> None:
        """Start, then take the former one away; raises what the firewall itself raises."""
        self._firewall.start(facts)
        if self._former is not None:
            try:
                self._former.stop()
            except LinkspanError as error:
                log.warning("rules of the %s backend may be left: %s", self._former.name, error)

    def add(self, facts: Sequence[Fact]) -> None:
        """Make all of `facts` true, or none."""
        self._firewall.add(facts)

    def remove(self, facts: Sequence[Fact]) -> None:
        """Undo `add`."""
        self._firewall.remove(facts)

    def stop(self) -> None:
        """Remove everything that is ours."""
        self._firewall.stop()

    def heal(self) -> bool:
        """Put back what is missing."""
        return self._firewall.heal()

    def differences(self) -> list[str]:
        """Return what is missing, and what belongs to nothing."""
        return self._firewall.differences()

    def restore(self) -> None:
        """Put that right."""
        self._firewall.restore()

    def obstacles(self) -> list[str]:
        """Return what else on this host drops our packets."""
        return self._firewall.obstacles()
