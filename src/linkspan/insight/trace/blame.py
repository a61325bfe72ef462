"""Who put a rule there, and what command would change what it does."""

from __future__ import annotations

import re

from linkspan.firewall.render.rules import OWN_CHAINS, USER_CHAIN
from linkspan.insight.trace.hooks import Met
from linkspan.insight.trace.packet import Packet
from linkspan.insight.trace.world import HOST

LINKSPAN, USER, UFW, FIREWALLD, DOCKER, OTHER = (
    "Linkspan",
    "you, in the chain for your own rules",
    "ufw",
    "firewalld",
    "Docker",
    "somebody else",
)
_FIREWALLD = re.compile(r"(IN|FWD|FWDI|FWDO|PRE|POST|filter|nat|mangle|raw|policy)_")


def owner(met: Met, place: str, ours: frozenset[str]) -> str:
    """Return whose rule it is; `ours` are the texts of rules of Linkspan in chains that all share."""
    table, chain = met.table, met.chain
    if place != HOST:
        return LINKSPAN if chain.startswith("DOCKER_") else "the container's own firewall"
    if table.tool == "nft":
        if table.name == "linkspan":
            return USER if chain == "user" else LINKSPAN
        return FIREWALLD if table.name == "firewalld" else OTHER
    if chain == USER_CHAIN:
        return USER
    if met.rule is not None and (chain in OWN_CHAINS.get(table.name, ()) or met.rule.text in ours):
        return LINKSPAN
    if chain.startswith("ufw"):
        return UFW
    if _FIREWALLD.match(chain):
        return FIREWALLD
    return DOCKER if chain.startswith("DOCKER") else OTHER


def remedy(met: Met, place: str, ours: frozenset[str], packet: Packet) -> str:
    """Return what would let the packet pass."""
    who = owner(met, place, ours)
    if who == LINKSPAN and place == HOST:
        return _own(met, packet)
    if met.rule is None:
        return _policy(met, who)
    if who == UFW:
        port = packet.destination_port
        return f"ufw allow {port}/{packet.protocol} (or `ufw route allow` for what is forwarded)"
    if who == FIREWALLD:
        return f"firewall-cmd --add-port={packet.destination_port}/{packet.protocol}, or a trusted zone"
    inside = "" if place == HOST else "in the container: "
    return f"{inside}{met.rule.deletion}"


def _policy(met: Met, who: str) -> str:
    hook = met.chain.upper()
    if met.table.tool == "nft":
        return f"a rule in {met.table.family} {met.table.name} {met.chain} that accepts it (policy drop)"
    return f"{met.table.tool} -t {met.table.name} -P {hook} ACCEPT, or a rule that accepts it ({who})"


def _own(met: Met, packet: Packet) -> str:
    text = met.rule.text if met.rule else ""
    early = met.hook == "prerouting"
    if early and packet.destination.is_loopback:
        return "the port is published for the host alone: publish it on another address"
    if early and packet.incoming.startswith(("docker", "br-")):
        return "put both on one network (docker network connect), or go by a published port of the host (-p)"
    if early:
        return (
            "go by a published port of the host (-p), or let routes lead to containers: gateway_mode routed,"
            " trusted_host_interfaces, or --allow-direct-routing of the daemon"
        )
    if "INTERNAL" in met.chain or "@internal" in text:
        return "the network is internal: connect the container to another one (docker network connect)"
    if packet.incoming and packet.incoming == packet.outgoing:
        return "inter-container communication is off on this network: enable_icc, or a --link"
    return (
        "networks are cut off from each other: put both on one (docker network connect), or publish the port"
        " (-p)"
    )
