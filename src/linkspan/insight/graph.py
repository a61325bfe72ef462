"""The map as a graph: nodes and cables, written in the languages of Graphviz and Mermaid.

Sources: graphviz.org/doc/info/lang.html; mermaid.js.org/syntax/flowchart.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linkspan.insight.scope import LINKLESS
from linkspan.insight.wording import addresses, global_addresses, ports, traits

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Node:
    """A box of the picture; `kind` is host, interface, bridge or container."""

    id: str
    kind: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cable:
    """A line between two nodes; `label` names its two ends."""

    start: str
    end: str
    label: str = ""
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """All boxes and lines."""

    nodes: tuple[Node, ...]
    cables: tuple[Cable, ...]


def graph(survey: Document) -> Graph:
    """Return boxes for the host, its interfaces, the networks and the containers, and the cables between."""
    nodes = [Node("host", "host", ("host",))]
    cables = []
    for link in survey["Host"]["Interfaces"]:
        if link["Name"] != "lo":
            node = _id("link", link["Name"])
            found = global_addresses(link["Addresses"])
            nodes.append(Node(node, "interface", (f"{link['Name']} ({link['Index']})", *found)))
            cables.append(Cable("host", node))
    for network in survey["Networks"]:
        if network["Driver"] not in LINKLESS:
            nodes.append(_network(network))
            cables.append(_uplink(network))
    for container in survey["Containers"]:
        nodes.append(_container(container))
        cables += _cables(container)
    return Graph(tuple(nodes), tuple(cables))


def _network(network: Document) -> Node:
    name = f"{network['Bridge']} ({network['Index']})" if network["Bridge"] else network["Driver"]
    subnets = [each["Subnet"] for each in network["Subnets"]]
    return Node(_id("net", network["Id"][:12]), "bridge", (name, network["Name"], *subnets, *traits(network)))


def _uplink(network: Document) -> Cable:
    node = _id("net", network["Id"][:12])
    if network["Parent"]:
        return Cable(_id("link", network["Parent"]), node)
    return Cable("host", node, "cut off" if network["Internal"] else "", dashed=network["Internal"])


def _container(container: Document) -> Node:
    found = [address for endpoint in container["Endpoints"] for address in addresses(endpoint)]
    lines = (container["Name"], *found, *ports(container["Ports"]))
    return Node(_id("ctr", container["Id"][:12]), "container", lines)


def _cables(container: Document) -> list[Cable]:
    node = _id("ctr", container["Id"][:12])
    found = []
    for endpoint in container["Endpoints"]:
        ends = [
            f"{endpoint['Link']} ({endpoint['LinkIndex']})" if endpoint["LinkIndex"] else endpoint["Link"]
        ]
        if endpoint["HostLink"]:
            ends.insert(0, f"{endpoint['HostLink']} ({endpoint['HostIndex']})")
        found.append(Cable(_id("net", endpoint["NetworkId"][:12]), node, " ↔ ".join(ends)))
    if not found and container["State"] == "running":
        if container["Mode"] == "host":
            found.append(Cable("host", node, "same namespace"))
        elif container["Mode"].startswith("container:"):
            peer = container["Mode"].removeprefix("container:")[:12]
            found.append(Cable(_id("ctr", peer), node, "same namespace"))
    return found


def _id(kind: str, name: str) -> str:
    return kind + "_" + re.sub("[^0-9A-Za-z]", "_", name)


_SHAPES = {
    "host": 'shape=box, style="rounded,filled", fillcolor="#d0d7de"',
    "interface": 'shape=box, style=filled, fillcolor="#eaeef2"',
    "bridge": 'shape=box, style=filled, fillcolor="#ddf4ff"',
    "container": 'shape=box, style="rounded,filled", fillcolor="#dafbe1"',
}


def dot(picture: Graph) -> str:
    """Return the graph for Graphviz' `dot`."""
    lines = ["graph linkspan {", "  rankdir=LR;", '  node [fontname="sans-serif", fontsize=11];']
    lines.append('  edge [fontname="sans-serif", fontsize=9];')
    for node in picture.nodes:
        lines.append(f"  {node.id} [label={_quoted(node.lines)}, {_SHAPES[node.kind]}];")
    known = {node.id for node in picture.nodes}
    for cable in picture.cables:
        if cable.start in known and cable.end in known:
            style = ", style=dashed" if cable.dashed else ""
            lines.append(f"  {cable.start} -- {cable.end} [label={_quoted((cable.label,))}{style}];")
    return "\n".join([*lines, "}"])


def _quoted(lines: Sequence[str]) -> str:
    return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'


_BRACKETS = {"host": ("[[", "]]"), "interface": ("[", "]"), "bridge": ("{{", "}}"), "container": ("(", ")")}


def mermaid(picture: Graph) -> str:
    """Return the graph for Mermaid, as GitHub shows it in Markdown."""
    lines = ["graph LR"]
    for node in picture.nodes:
        left, right = _BRACKETS[node.kind]
        text = "<br/>".join(line.replace('"', "#quot;") for line in node.lines)
        lines.append(f'  {node.id}{left}"{text}"{right}')
    known = {node.id for node in picture.nodes}
    for cable in picture.cables:
        if cable.start in known and cable.end in known:
            line = "-.-" if cable.dashed else "---"
            label = f'|"{cable.label}"|' if cable.label else ""
            lines.append(f"  {cable.start} {line}{label} {cable.end}")
    return "\n".join(lines)
