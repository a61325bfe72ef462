"""The difference between the parts that are there and those that are wanted, as steps in a safe order."""

from __future__ import annotations

from collections.abc import Sequence

from linkspan.blueprint.parts import Bridge, Part, VethPair
from linkspan.blueprint.steps import Add, Remove, Step, links_of, needs


def diff(actual: Sequence[Part], wanted: Sequence[Part]) -> tuple[Step, ...]:
    """Return the steps that lead from `actual` to `wanted`; equal blueprints need none.

    First what is not wanted goes, in reverse order; then what is missing comes, in the order of `wanted`.
    What a removed link takes along (its addresses, routes and settings, the ports of a bridge's
    veths) is made again if it is wanted, and is not removed on its own.
    """
    present = set(actual)
    going = _without(actual, set(wanted))
    gone = frozenset().union(*map(links_of, going))
    removals = [Remove(part) for part in reversed(actual) if part in going and not needs(part) & gone]
    additions = [Add(part) for part in wanted if part not in present or part in going or needs(part) & gone]
    return (*removals, *additions)


def _without(actual: Sequence[Part], asked: set[Part]) -> set[Part]:
    """Return the parts to remove: those that nobody asks for, and veth pairs whose bridge goes."""
    going = {part for part in actual if part not in asked}
    bridges = {part.name for part in going if isinstance(part, Bridge) and not part.adopted}
    return going | {part for part in actual if isinstance(part, VethPair) and part.bridge in bridges}
