"""The firewall of `iptables=false`: no rule is ever written; published ports live by the proxy alone."""

from __future__ import annotations

from collections.abc import Sequence

from linkspan.blueprint.facts import Fact


class NoFirewall:
    """Accepts every fact and does nothing, as Docker's --iptables=false."""

    name = "none"

    def start(self, facts: Sequence[Fact] = ()) -> None:
        """Do nothing."""

    def add(self, facts: Sequence[Fact]) -> None:
        """Do nothing."""

    def remove(self, facts: Sequence[Fact]) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def obstacles(self) -> list[str]:
        """Nothing of ours is to be kept open."""
        return []

    def heal(self) -> bool:
        """Nothing can be missing."""
        return False

    def differences(self) -> list[str]:
        """Nothing is wanted."""
        return []

    def restore(self) -> None:
        """Do nothing."""
