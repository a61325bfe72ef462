"""The plain commands that build a network, a container's part of it, or everything, by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from linkspan.blueprint.facts import Fact
from linkspan.blueprint.parts import Bridge, Part
from linkspan.insight.by_hand import Command, of_parts, of_sandbox
from linkspan.insight.rules_by_hand import ground, of_facts
from linkspan.insight.scope import LINKLESS
from linkspan.model.network import Network
from linkspan.model.sandbox import Sandbox
from linkspan.network.controller import Controller
from linkspan.network.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Builder:
    """Writes commands for the firewall `backend` ("iptables", "nftables", "none") and address families."""

    wanted: Wanted
    backend: str
    families: Sequence[int] = (4, 6)
    mark: str = ""

    def host(self) -> list[Command]:
        """Return what the host needs once: forwarding, and the chains of the packet filter."""
        found = []
        if self.wanted.settings.ip_forward:
            found.append(
                Command(
                    "sysctl -q -w net.ipv4.ip_forward=1",
                    "the host becomes a router: packets may pass from one link to another",
                )
            )
        proxy = self.wanted.settings.userland_proxy
        if self.backend != "none":
            found += ground(self.backend, self.families, userland_proxy=proxy, mark=self.mark)
        return found

    def network(self, network: Network) -> list[Command]:
        """Return what makes a network itself."""
        return self._built(self.wanted.network_parts(network), self.wanted.network_facts(network), {})

    def sandbox(self, sandbox: Sandbox, name: str) -> list[Command]:
        """Return what makes a container's namespace, links and published ports; it is called `name`."""
        parts, facts = self.wanted.sandbox_parts(sandbox), self.wanted.sandbox_facts(sandbox)
        made = of_sandbox(name, sandbox.container.name)
        return made + self._built(parts, facts, {sandbox.key: name})

    def _built(
        self, parts: Sequence[Part], facts: Sequence[Fact], namespaces: dict[str, str]
    ) -> list[Command]:
        bridges = [part for part in parts if isinstance(part, Bridge)]
        others = [part for part in parts if not isinstance(part, Bridge)]
        rules = of_facts(self.backend, facts, self.families)
        return [*of_parts(bridges, namespaces), *of_parts(others, namespaces), *rules]


def namespace_names(sandboxes: Sequence[Sandbox]) -> dict[str, str]:
    """Return a name for `ip netns` for each container id: its own name, if the file system takes it."""
    return {each.container.id: re.sub(r"[^\w.-]", "_", each.container.name) for each in sandboxes}


def commands_for(controller: Controller, seen: Mapping[str, Any]) -> list[tuple[str, list[Command]]]:
    """Return what `build` does for the networks and containers of a survey, in the host's own words."""
    shown = {each["Id"] for each in seen["Networks"] if each["Driver"] not in LINKLESS}
    members = {each["Id"] for each in seen["Containers"]}
    settings = controller.settings
    families = (4, 6) if settings.ip6tables else (4,)
    return build(
        Builder(controller.wanted, controller.firewall_backend, families, settings.accept_fwmark),
        [each for each in controller.networks() if each.id in shown],
        [each for each in controller.sandboxes() if each.container.id in members],
    )


def build(
    builder: Builder, networks: Sequence[Network], sandboxes: Sequence[Sandbox]
) -> list[tuple[str, list[Command]]]:
    """Return (title, commands) for the host, each network, and each container with its endpoints on them."""
    shown = {network.id for network in networks}
    names = namespace_names(sandboxes)
    groups = [("the host, once", builder.host())]
    groups += [(f"network {network.name}", builder.network(network)) for network in networks]
    for sandbox in sandboxes:
        endpoints = tuple(each for each in sandbox.endpoints if each.network_id in shown)
        if endpoints and sandbox.key:
            part = replace(sandbox, endpoints=endpoints)
            title = f"container {sandbox.container.name}"
            groups.append((title, builder.sandbox(part, names[sandbox.container.id])))
    return [group for group in groups if group[1]]
