"""The map for a terminal: host interfaces, bridges, veth pairs, containers and ports as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from linkspan.insight.scope import LINKLESS
from linkspan.insight.wording import addresses, global_addresses, ports, traits

Document = Mapping[str, Any]
WIDTH = 80


@dataclass(slots=True)
class Branch:
    """A line of the tree and what hangs on it."""

    text: str
    branches: list[Branch] = field(default_factory=list)


def tree(survey: Document, width: int = WIDTH) -> str:
    """Return the map, no line longer than `width` columns."""
    root = Branch("host")
    root.branches += [_interface(each) for each in survey["Host"]["Interfaces"]]
    root.branches += [_network(each, survey) for each in survey["Networks"] if each["Driver"] not in LINKLESS]
    root.branches += _elsewhere(
        survey["Containers"], {each["Id"]: each["Name"] for each in survey["Containers"]}
    )
    return "\n".join(_cut(line, width) for line in (root.text, *_lines(root, "")))


def _interface(link: Document) -> Branch:
    state = "" if link["Up"] or link["Name"] == "lo" else "down"
    return Branch(
        _joined(_numbered(link["Name"], link["Index"]), *global_addresses(link["Addresses"]), state)
    )


def _network(network: Document, survey: Document) -> Branch:
    name = _numbered(network["Bridge"], network["Index"]) if network["Bridge"] else network["Driver"]
    subnets = global_addresses(network["Addresses"]) or [each["Subnet"] for each in network["Subnets"]]
    branch = Branch(_joined(name, network["Name"], *subnets, *(f"[{each}]" for each in traits(network))))
    for container in survey["Containers"]:
        for endpoint in container["Endpoints"]:
            if endpoint["NetworkId"] == network["Id"]:
                branch.branches.append(_endpoint(container, endpoint))
    return branch


def _endpoint(container: Document, endpoint: Document) -> Branch:
    inner = _numbered(endpoint["Link"], endpoint["LinkIndex"])
    outer = _numbered(endpoint["HostLink"], endpoint["HostIndex"]) + " ↔ " if endpoint["HostLink"] else ""
    branch = Branch(_joined(outer + inner, container["Name"], *addresses(endpoint)))
    if endpoint["Gateway"]:
        branch.branches += [Branch(each) for each in ports(container["Ports"])]
    return branch


def _elsewhere(containers: list[Document], names: Mapping[str, str]) -> Iterator[Branch]:
    """Yield what has no endpoint: containers in the host's namespace, in a peer's, with none, stopped."""
    groups: dict[str, list[str]] = {}
    for each in containers:
        if not each["Endpoints"]:
            groups.setdefault(_place(each, names), []).append(each["Name"])
    for place in sorted(groups):
        yield Branch(place, [Branch(name) for name in groups[place]])


def _place(container: Document, names: Mapping[str, str]) -> str:
    mode = container["Mode"]
    if container["State"] not in ("running", "paused", "restarting"):
        return "not running"
    if mode == "host":
        return "the host's own namespace (--network host)"
    if mode.startswith("container:"):
        peer = mode.removeprefix("container:")
        return f"the namespace of {names.get(peer, peer[:12])} (--network container:)"
    return "no network (only lo)"


def _lines(branch: Branch, indent: str) -> Iterator[str]:
    for number, each in enumerate(branch.branches, 1):
        last = number == len(branch.branches)
        yield indent + ("└─ " if last else "├─ ") + each.text
        yield from _lines(each, indent + ("   " if last else "│  "))


def _numbered(name: str, index: int) -> str:
    return f"{name} ({index})" if index else name


def _joined(*words: str) -> str:
    return "  ".join(word for word in words if word)


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
