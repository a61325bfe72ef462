"""What is about to go wrong on this host, from what was seen of it: evidence and remedy. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from linkspan.insight.checkup import Finding
from linkspan.insight.trace.ruleset import Table
from linkspan.insight.trace.world import Socket
from linkspan.insight.wording import port
from linkspan.model.addresses import Address

FULL = 0.8
"""The part of the connection table, or of a subnet, from which on it counts as nearly full."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of the host: the survey, tables, kernel parameters, routes, resolvers, sockets.

    `routes` are (destination, link); `mtus` those of links with a default route; `taken` the addresses in use
    and all of each subnet; `listening` the sockets of each running container by its id; `sockets` the paths
    of listening unix sockets.
    """

    survey: Mapping[str, Any]
    tables: Sequence[Table] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    routes: Sequence[tuple[str, str]] = ()
    mtus: Mapping[str, int] = field(default_factory=dict)
    resolvers: Sequence[Address] = ()
    taken: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    listening: Mapping[str, Sequence[Socket]] = field(default_factory=dict)
    sockets: Sequence[str] = ()


def findings(seen: Seen) -> list[Finding]:
    """Return all findings, none on a healthy host."""
    looks = (_filters, _parameters, _sizes, _overlaps, _names, _connections, _pools, _deaf_ports, _docker)
    return [finding for look in looks for finding in look(seen)]


def _filters(seen: Seen) -> Iterator[Finding]:
    """Two iptables at once: a packet must pass both, and each shows only half."""
    used = {
        "legacy" if "legacy" in table.tool else "nft"
        for table in seen.tables
        if table.tool != "nft" and any(chain.rules for chain in table.chains.values())
    }
    if len(used) == 2:
        yield Finding(
            "rules of iptables-legacy and of iptables-nft stand side by side: packets must pass both",
            "move the legacy ones (iptables-legacy-save | iptables-nft-restore), then iptables-legacy -F",
        )


def _parameters(seen: Seen) -> Iterator[Finding]:
    values = seen.sysctls
    if values.get("net.ipv4.ip_forward") == "0":
        yield Finding(
            "net.ipv4.ip_forward is 0: containers reach nothing beyond their host",
            "sysctl -w net.ipv4.ip_forward=1",
        )
    closed = [network["Name"] for network in seen.survey["Networks"] if not network["Icc"]]
    if closed and values.get("net.bridge.bridge-nf-call-iptables") != "1":
        yield Finding(
            f"br_netfilter is off, so that icc=false does not hold on {', '.join(closed)}",
            "modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1",
        )
    strict = values.get("net.ipv4.conf.all.rp_filter") == "1"
    if strict and len({link for where, link in seen.routes if where == "default"}) > 1:
        yield Finding(
            "rp_filter is strict and there is more than one default route: answers that come in by the other"
            " one are dropped",
            "sysctl -w net.ipv4.conf.all.rp_filter=2",
        )


def _sizes(seen: Seen) -> Iterator[Finding]:
    for uplink, limit in seen.mtus.items():
        for network in seen.survey["Networks"]:
            size = network.get("Mtu", 0)
            if size > limit and not network["Internal"]:
                clamp = f"-o {uplink} -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu"
                yield Finding(
                    f"network {network['Name']} has MTU {size}, and {uplink} takes {limit}: large packets to"
                    " the world depend on path MTU discovery",
                    f"create it anew with -o com.docker.network.driver.mtu={limit}, or clamp the MSS:"
                    f" iptables -t mangle -A POSTROUTING {clamp}",
                )


def _overlaps(seen: Seen) -> Iterator[Finding]:
    own = {network["Bridge"] for network in seen.survey["Networks"] if network["Bridge"]}
    for network in seen.survey["Networks"]:
        if not network["Bridge"]:
            continue
        for subnet in (ip_network(each["Subnet"]) for each in network["Subnets"]):
            for where, link in seen.routes:
                if link in own or where == "default":
                    continue
                if _overlap(subnet, ip_network(where, strict=False)):
                    yield Finding(
                        f"the route {where} by {link} overlaps {subnet} of network {network['Name']}",
                        f"{link} may be a VPN: remove the route, or create the network with another --subnet",
                    )


def _overlap(one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.overlaps(other)
    return isinstance(one, IPv6Network) and isinstance(other, IPv6Network) and one.overlaps(other)


def _names(seen: Seen) -> Iterator[Finding]:
    if not seen.resolvers:
        yield Finding(
            "/etc/resolv.conf names no resolver: containers find no name of the world",
            "write one there, or start the daemon with --dns ADDRESS",
        )


def _connections(seen: Seen) -> Iterator[Finding]:
    values = seen.sysctls
    count, limit = (int(values.get(f"net.netfilter.nf_conntrack_{end}") or 0) for end in ("count", "max"))
    if limit and count > FULL * limit:
        yield Finding(
            f"the connection table is nearly full: {count} of {limit}; new connections will be dropped",
            f"sysctl -w net.netfilter.nf_conntrack_max={2 * limit}",
        )


def _pools(seen: Seen) -> Iterator[Finding]:
    for subnet, (used, size) in seen.taken.items():
        if size and used > FULL * size:
            yield Finding(
                f"{used} of the {size} addresses of {subnet} are taken",
                "remove containers, or create a network with a larger --subnet",
            )


def _deaf_ports(seen: Seen) -> Iterator[Finding]:
    for container in seen.survey["Containers"]:
        sockets = seen.listening.get(container["Id"])
        for binding in container["Ports"]:
            if sockets is None or binding["HostIp"] == "::":
                continue
            if not _heard(sockets, binding):
                inner, name = binding["ContainerPort"], container["Name"]
                yield Finding(
                    f"{port(binding)} of {name} is published, and nobody listens on {inner} inside",
                    f"see what listens: linkspan exec {name} netstat -ln (127.0.0.1 is not enough)",
                    hint=True,
                )


def _heard(sockets: Sequence[Socket], binding: Mapping[str, Any]) -> bool:
    """Whether any port of a run is listened on, beyond loopback."""
    ports = range(binding["ContainerPort"], binding["ContainerPort"] + binding["Count"])
    return any(
        each.protocol == binding["Protocol"]
        and each.port in ports
        and not (each.address is not None and each.address.is_loopback)
        for each in sockets
    )


def _docker(seen: Seen) -> Iterator[Finding]:
    if any(path.endswith("/docker.sock") for path in seen.sockets):
        yield Finding(
            "a Docker runs on this host too: both write the chains DOCKER and DOCKER-USER",
            "give Linkspan a network namespace or --firewall-backend=nftables and a bridge of its own (-b)",
        )
