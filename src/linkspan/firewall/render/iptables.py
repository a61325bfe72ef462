"""Firewall facts rendered as iptables rules, in the words and the order that Docker writes them.

nat is laid out as the classic Docker does it (19.03, 20.10): a container that uses a published port of the
host is kept from DNAT by `-i BRIDGE -j RETURN` and meets the userland proxy, and each published port has its
own-address MASQUERADE. filter and raw are laid out as Docker 28 does it: FORWARD jumps to DOCKER-USER and
then to DOCKER-FORWARD, every bridge ends with its own DROP, and raw drops what is routed straight at a
container.

    filter  FORWARD -> DOCKER-USER (the user's) -> DOCKER-FORWARD -> DOCKER-CT, DOCKER-INTERNAL,
            DOCKER-BRIDGE -> DOCKER (ports first, each bridge's DROP last), then each bridge's way out
            of a network with a list of destinations by way of LINKSPAN-EGRESS, which names have opened
    nat     PREROUTING, OUTPUT -> DOCKER;  POSTROUTING
    raw     PREROUTING

No rule counts on the policy of FORWARD. Sources: Docker 20.10 and 28 as they write `iptables -S`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv6Network
from typing import Any

from linkspan.blueprint.facts import (
    DirectAccessDrop,
    EgressOpen,
    Fact,
    Fence,
    Hairpin,
    LinkedContainers,
    LoopbackOnly,
    Masquerade,
    Publish,
    SkipOwnBridge,
)
from linkspan.firewall.render.rules import EGRESS_CHAIN, FILTER, INSERT, MANGLE, NAT, RAW, USER_CHAIN, Rule
from linkspan.model.addresses import Address

LINK_LOCAL = IPv6Network("fe80::/10")


def render(facts: Iterable[Fact]) -> list[Rule]:
    """Return the rules of all `facts`, in their order; two facts may ask for the same rule."""
    return [rule for fact in facts for rule in _RENDERERS[type(fact)](fact)]


def base_jumps(family: int, userland_proxy: bool = True) -> list[Rule]:
    """Return the jumps from the kernel's chains into ours, for `family` 4 or 6.

    With the userland proxy the host's own connections to loopback addresses are not translated: they meet
    the proxy. FORWARD's two are meant to stand first in the chain, in the order given.
    """
    loopback = "127.0.0.0/8" if family == 4 else "::1/128"
    exception = f"! -d {loopback} " if userland_proxy else ""
    return [
        Rule(family, FILTER, "FORWARD", f"-j {USER_CHAIN}"),
        Rule(family, FILTER, "FORWARD", "-j DOCKER-FORWARD"),
        Rule(family, NAT, "PREROUTING", "-m addrtype --dst-type LOCAL -j DOCKER"),
        Rule(family, NAT, "OUTPUT", f"{exception}-m addrtype --dst-type LOCAL -j DOCKER"),
    ]


def base_rules(family: int, accept_mark: str = "") -> list[Rule]:
    """Return what our own chains hold before there is a network.

    `accept_mark` is Docker's bridge-accept-fwmark, "mark" or "mark/mask" in any base that C knows.
    """
    marked = [f"-m mark --mark {_mark(accept_mark)} -j ACCEPT"] if accept_mark else []
    jumps = ["-j DOCKER-CT", "-j DOCKER-INTERNAL", "-j DOCKER-BRIDGE"]
    return [Rule(family, FILTER, "DOCKER-FORWARD", text) for text in marked + jumps]


def _mark(text: str) -> str:
    return "/".join(hex(int(number, 0)) for number in text.split("/"))


def _masquerade(fact: Masquerade) -> list[Rule]:
    family = fact.subnet.version
    target = f"SNAT --to-source {fact.source}" if fact.source else "MASQUERADE"
    texts = [f"-s {fact.subnet} ! -o {fact.bridge} -j {target}"]
    if fact.from_host:
        texts.append(f"-o {fact.bridge} -m addrtype --src-type LOCAL -j {target}")
    return [Rule(family, NAT, "POSTROUTING", text, INSERT) for text in texts]


def _skip_own_bridge(fact: SkipOwnBridge) -> list[Rule]:
    return [Rule(fact.family, NAT, "DOCKER", f"-i {fact.bridge} -j RETURN", INSERT)]


def _hairpin(fact: Hairpin) -> list[Rule]:
    family, bridge = fact.subnet.version, fact.bridge
    translated = "-m conntrack --ctstate DNAT"
    return [
        Rule(family, FILTER, "DOCKER", f"-i {bridge} -o {bridge} {translated} -j ACCEPT"),
        Rule(family, NAT, "POSTROUTING", f"-s {fact.subnet} -o {bridge} {translated} -j MASQUERADE", INSERT),
    ]


def _fence(fact: Fence) -> list[Rule]:
    return _internal_fence(fact) if fact.internal else _open_fence(fact)


def _internal_fence(fact: Fence) -> list[Rule]:
    """An internal network: nothing with a foreign source comes in, nothing for a foreign destination leaves.

    In IPv6 what stays on the bridge is let alone, for its link-local addresses are not in the subnet.
    """
    family, bridge = fact.subnet.version, fact.bridge
    out, into = (f" ! -o {bridge}", f"! -i {bridge} ") if family == 6 else ("", "")
    verdict = "ACCEPT" if fact.icc else "DROP"
    return [
        Rule(family, FILTER, "DOCKER-INTERNAL", f"! -d {fact.subnet} -i {bridge}{out} -j DROP", INSERT),
        Rule(family, FILTER, "DOCKER-INTERNAL", f"! -s {fact.subnet} {into}-o {bridge} -j DROP", INSERT),
        Rule(family, FILTER, "DOCKER-FORWARD", f"-i {bridge} -o {bridge} -j {verdict}"),
    ]


def _open_fence(fact: Fence) -> list[Rule]:
    family, bridge = fact.subnet.version, fact.bridge
    default = "ACCEPT" if fact.gateway_mode == "nat-unprotected" else "DROP"
    ping = f"-o {bridge} -p {'icmp' if family == 4 else 'ipv6-icmp'} -j ACCEPT"
    rules = [Rule(family, FILTER, "DOCKER", ping)] if fact.gateway_mode == "routed" else []
    return [
        *rules,
        Rule(family, FILTER, "DOCKER", f"! -i {bridge} -o {bridge} -j {default}"),
        Rule(
            family, FILTER, "DOCKER-CT", f"-o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        ),
        Rule(family, FILTER, "DOCKER-BRIDGE", f"-o {bridge} -j DOCKER"),
        *(Rule(family, FILTER, "DOCKER-FORWARD", text) for text in _ways_out(fact)),
    ]


def _ways_out(fact: Fence) -> list[str]:
    """To a peer, and out: anywhere, or to the destinations of a list and those that names have opened."""
    bridge, within = fact.bridge, "ACCEPT" if fact.icc else "DROP"
    if fact.outward is None:
        if fact.icc:
            return [f"-i {bridge} -j ACCEPT"]
        return [f"-i {bridge} -o {bridge} -j DROP", f"-i {bridge} ! -o {bridge} -j ACCEPT"]
    return [
        f"-i {bridge} -o {bridge} -j {within}",
        f"-i {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        *(f"{f'-d {to} ' if to.prefixlen else ''}-i {bridge} -j ACCEPT" for to in fact.outward),
        f"-i {bridge} -j {EGRESS_CHAIN}",
        f"-i {bridge} -j DROP",
    ]


def _egress_open(fact: EgressOpen) -> list[Rule]:
    text = f"-d {_host(fact.address)} -i {fact.bridge} -j ACCEPT"
    return [Rule(fact.address.version, FILTER, EGRESS_CHAIN, text)]


def _publish(fact: Publish) -> list[Rule]:
    """The rules of published ports; a run of ports is one rule in each place.

    None when the host's address is of the other family: only the userland proxy can carry that.
    """
    if fact.host_address.version != fact.endpoint_address.version:
        return []
    family, endpoint = fact.endpoint_address.version, _host(fact.endpoint_address)
    inner = _match(fact.protocol, fact.container_port, fact.count)
    opened = f"-d {endpoint} ! -i {fact.bridge} -o {fact.bridge} {inner} -j ACCEPT"
    rules = [Rule(family, FILTER, "DOCKER", source + opened, INSERT) for source in _sources(fact)]
    if fact.protocol == "sctp":
        filled = (
            f"-p sctp -m sctp --sport {_ports(fact.container_port, fact.count)} -j CHECKSUM --checksum-fill"
        )
        rules.append(Rule(family, MANGLE, "POSTROUTING", filled))
    if fact.nat:
        hairpin = f"-s {endpoint} -d {endpoint} {inner} -j MASQUERADE"
        rules.append(Rule(family, NAT, "POSTROUTING", hairpin))
        rules += (Rule(family, NAT, "DOCKER", text) for text in _translations(fact))
    return rules


def _sources(fact: Publish) -> list[str]:
    """Return how a rule for each source that may come begins; one without words stands for everybody."""
    if not fact.restricted:
        return [""]
    return [f"-s {source} " if source.prefixlen else "" for source in fact.sources]


def _translations(fact: Publish) -> list[str]:
    """Link-local peers are led to the proxy in IPv6: they are of no use behind a translation.

    The host itself may come whatever the list of sources says; nobody else can have its addresses.
    """
    target = _target(fact)
    foreign = "! -s fe80::/10 " if fact.endpoint_address.version == 6 else ""
    if not fact.restricted:
        return [f"{foreign}{_at_host(fact)} {target}"]
    rules = [f"{foreign}{_at_host(fact)} -m addrtype --src-type LOCAL {target}"]
    six = [source for source in fact.sources if isinstance(source, IPv6Network)]
    if any(source.prefixlen and LINK_LOCAL.subnet_of(source) for source in six):
        rules.append(f"-s {LINK_LOCAL} {_at_host(fact)} -j RETURN")
    useless = [source for source in six if source.subnet_of(LINK_LOCAL)]
    for source in fact.sources:
        if source not in useless:
            rules.append(f"{f'-s {source} ' if source.prefixlen else foreign}{_at_host(fact)} {target}")
    return rules


def _at_host(fact: Publish) -> str:
    """Return the words for a packet to the host's ports."""
    words = []
    if not fact.host_address.is_unspecified:
        words.append(f"-d {_host(fact.host_address)}")
    if not fact.own_bridge:
        words.append(f"! -i {fact.bridge}")
    words.append(_match(fact.protocol, fact.host_port, fact.count))
    return " ".join(words)


def _target(fact: Publish) -> str:
    """A run of ports names NAT's base port, so that every port finds its own (also when shifted)."""
    address = (
        f"[{fact.endpoint_address}]" if fact.endpoint_address.version == 6 else f"{fact.endpoint_address}"
    )
    target = f"{address}:{fact.container_port}"
    if fact.count > 1:
        target += f"-{fact.container_port + fact.count - 1}/{fact.host_port}"
    return f"-j DNAT --to-destination {target}"


def _direct_access_drop(fact: DirectAccessDrop) -> list[Rule]:
    endpoint = _host(fact.endpoint_address)
    texts = [f"-d {endpoint} -i {link} -j ACCEPT" for link in fact.trusted]
    texts.append(f"-d {endpoint} ! -i {fact.bridge} -j DROP")
    return [Rule(fact.endpoint_address.version, RAW, "PREROUTING", text) for text in texts]


def _loopback_only(fact: LoopbackOnly) -> list[Rule]:
    """IPv6 needs no rule: the kernel takes ::1 from nowhere but lo."""
    if fact.host_address.version == 6:
        return []
    match = _match(fact.protocol, fact.host_port, fact.count)
    return [Rule(4, RAW, "PREROUTING", f"-d {_host(fact.host_address)} ! -i lo {match} -j DROP")]


def _linked_containers(fact: LinkedContainers) -> list[Rule]:
    """Both ways of one connection, since the answer, too, crosses a bridge with icc off."""
    parent, child = _host(fact.parent), _host(fact.child)
    where = f"-i {fact.bridge} -o {fact.bridge} -p {fact.protocol} -m {fact.protocol}"
    texts = [
        f"-s {parent} -d {child} {where} --dport {fact.port} -j ACCEPT",
        f"-s {child} -d {parent} {where} --sport {fact.port} -j ACCEPT",
    ]
    return [Rule(fact.child.version, FILTER, "DOCKER", text) for text in texts]


def _host(address: Address) -> str:
    return f"{address}/{address.max_prefixlen}"


def _match(protocol: str, first: int, count: int) -> str:
    return f"-p {protocol} -m {protocol} --dport {_ports(first, count)}"


def _ports(first: int, count: int) -> str:
    return f"{first}" if count == 1 else f"{first}:{first + count - 1}"


_RENDERERS: dict[type, Callable[[Any], list[Rule]]] = {
    Masquerade: _masquerade,
    SkipOwnBridge: _skip_own_bridge,
    Hairpin: _hairpin,
    Fence: _fence,
    EgressOpen: _egress_open,
    Publish: _publish,
    DirectAccessDrop: _direct_access_drop,
    LoopbackOnly: _loopback_only,
    LinkedContainers: _linked_containers,
}
