"""A walk as a document for the API, and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from linkspan.insight.trace.blame import owner, remedy
from linkspan.insight.trace.hooks import Met
from linkspan.insight.trace.walk import ARRIVES, LEAVES, Walk
from linkspan.insight.trace.world import Topology

Document = Mapping[str, Any]


def document(walk: Walk, topology: Topology, ours: frozenset[str]) -> dict[str, Any]:
    """Return the steps, the verdict, who stopped it and the remedy."""
    last = walk.steps[-1].packet if walk.steps else None
    help_text = walk.remedy
    if walk.culprit is not None and last is not None:
        help_text = remedy(walk.culprit, walk.place, ours, last)
    return {
        "Reaches": walk.verdict in (ARRIVES, LEAVES),
        "Verdict": walk.verdict,
        "Proxied": walk.proxied,
        "Words": walk.words,
        "By": owner(walk.culprit, walk.place, ours) if walk.culprit else "",
        "Rule": _rule(walk.culprit, walk.place, ours) if walk.culprit else None,
        "Remedy": help_text,
        "Steps": [
            {
                "Place": topology.name(step.place),
                "Namespace": step.place,
                "Hook": step.hook,
                "Words": step.words,
                "Packet": str(step.packet),
                "Incoming": step.packet.incoming,
                "Outgoing": step.packet.outgoing,
                "Rules": [_rule(met, step.place, ours) for met in step.met],
            }
            for step in walk.steps
        ],
    }


def _rule(met: Met, place: str, ours: frozenset[str]) -> dict[str, Any]:
    return {
        "Tool": met.table.tool,
        "Table": f"{met.table.family} {met.table.name}",
        "Chain": met.chain,
        "Text": met.rule.text if met.rule else f"policy {met.verdict}",
        "Packets": met.rule.counted if met.rule else -1,
        "Does": met.words or met.verdict,
        "Doubt": met.doubt,
        "By": owner(met, place, ours),
        "Delete": met.rule.deletion if met.rule else "",
    }


def lines(found: Document) -> Iterator[str]:
    """Yield the way hop by hop, the verdict, and the remedy."""
    place = None
    for step in found["Steps"]:
        if step["Place"] != place:
            place = step["Place"]
            yield f"{place}:"
        if step["Words"]:
            yield f"  {step['Words']}"
            yield f"      {step['Packet']}"
        for rule in step["Rules"]:
            yield from _rule_lines(step["Hook"], rule)
    mark = "✓" if found["Reaches"] else "✗"
    yield f"{mark} {found['Words']}"
    if found["Rule"]:
        yield f"  by {found['By']}: {found['Rule']['Table']} {found['Rule']['Text']}"
    if found["Remedy"] and not found["Reaches"]:
        yield f"  remedy: {found['Remedy']}"
    if "Live" in found:
        yield from _live_lines(found["Live"])


def _live_lines(seen: Document) -> Iterator[str]:
    verdict = "as computed" if seen["Agrees"] else "NOT as computed: please report it, with --json of this"
    yield f"live: {seen['Outcome']}, {verdict}"
    for line in seen["Kernel"]:
        yield f"  {line}"


def _rule_lines(hook: str, rule: Document) -> Iterator[str]:
    counted = f"  [{rule['Packets']} packets]" if rule["Packets"] >= 0 else ""
    yield f"  {hook}, {rule['Table']}: {rule['Text'] or rule['Chain']}{counted}"
    if rule["Doubt"]:
        yield f"      ? cannot be decided without a real packet: {rule['Doubt']}"
    elif rule["Does"] == "return":
        yield "      → leaves this chain: what follows in it is not asked"
    elif rule["Does"] not in ("jump", "goto"):
        yield f"      → {rule['Does']}"
