"""What the rest of the house may ask of a packet filter, whichever program writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from linkspan.blueprint.facts import Fact

BACKENDS = ("auto", "iptables", "nftables")
"""What --firewall-backend takes."""


class Firewall(Protocol):
    """Makes firewall facts true in the caller's network namespace; blocking and thread-safe."""

    name: str

    def start(self, facts: Sequence[Fact] = ()) -> None:
        """Make the ground for facts, with `facts` already standing on it; idempotent.

        What an earlier run of ours left is removed in the same transactions, so that facts which stood before
        stand all the time. The user's own rules, DOCKER-USER among them, are kept. Raises LinkspanError when
        the packet filter's program is missing, KernelError when the kernel refuses.
        """

    def add(self, facts: Sequence[Fact]) -> None:
        """Make all of `facts` true, or none: KernelError then."""

    def remove(self, facts: Sequence[Fact]) -> None:
        """Undo `add`; rules that are gone already are no error."""

    def stop(self) -> None:
        """Remove everything that is ours."""

    def obstacles(self) -> list[str]:
        """Return what else on this host drops our packets, each with its remedy; empty when nothing does."""

    def heal(self) -> bool:
        """Put back what somebody else removed of ours; tell whether anything was missing."""

    def differences(self) -> list[str]:
        """Return one line for each rule of ours that is missing, and for each that belongs to nothing.

        Looks closer than `heal`, and changes nothing.
        """

    def restore(self) -> None:
        """Put right what `differences` tells; raises LinkspanError."""
