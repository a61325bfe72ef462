"""Parts of the blueprint as the commands that a person would type to build them, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from linkspan.blueprint.parts import (
    Address,
    Bridge,
    LinkUp,
    MovedLink,
    Part,
    Route,
    Shaper,
    SubLink,
    Sysctl,
    VethPair,
)


@dataclass(frozen=True, slots=True)
class Command:
    """One line for the shell, and why; `why` "" belongs to the line before."""

    text: str
    why: str = ""


Namespaces = Mapping[str, str]
"""The names that `ip netns` is to know sandboxes by, by their paths."""


def of_sandbox(name: str, container: str) -> list[Command]:
    """Return what makes a network namespace."""
    return [
        Command(
            f"ip netns add {name}", f"{container}'s own network stack: links, routes and rules of nobody else"
        ),
        Command(f"ip -n {name} link set lo up", "a new namespace has only lo, and it is down"),
    ]


def of_parts(parts: Iterable[Part], namespaces: Namespaces) -> Iterator[Command]:
    """Yield the commands that make `parts`, in their order."""
    for part in parts:
        yield from _of_part(part, namespaces)


def _of_part(part: Part, namespaces: Namespaces) -> Iterator[Command]:
    match part:
        case Bridge():
            yield from _bridge(part)
        case VethPair():
            yield from _veth(part, namespaces)
        case SubLink():
            yield from _sub_link(part, namespaces)
        case MovedLink(source=source, name=name, sandbox=sandbox):
            inside = namespaces[sandbox]
            yield Command(f"ip link set {source} netns {inside} name {name}", "the plugin's link moves in")
            yield Command(f"ip -n {inside} link set {name} up")
        case LinkUp(link=link, sandbox=sandbox):
            yield Command(f"{_ip(sandbox, namespaces)} link set {link} up", "packets pass only then")
        case Address():
            yield _address(part, namespaces)
        case Route():
            yield _route(part, namespaces)
        case Sysctl():
            yield _sysctl(part, namespaces)
        case Shaper(link=link, rate=rate, sandbox=sandbox):
            burst = max(16 * 1024, int(rate // 8 * 0.01))
            tool = _ip(sandbox, namespaces).replace("ip", "tc", 1)
            yield Command(
                f"{tool} qdisc replace dev {link} root handle 1:"
                f" tbf rate {rate}bit burst {burst} latency 50ms",
                "a token bucket: what leaves here keeps to the rate",
            )


def _bridge(part: Bridge) -> Iterator[Command]:
    if part.adopted:
        return
    mac = f" address {part.mac}" if part.mac else ""
    yield Command(
        f"ip link add {part.name} txqueuelen 0{mac} type bridge",
        "a switch in the kernel; its own port, named as it is, is the host's foot in the network",
    )
    yield Command(f"ip link set {part.name} mtu {part.mtu} up")
    if part.owner:
        yield Command(f'ip link set {part.name} alias "{part.owner}"', "a note for whoever looks")


def _veth(part: VethPair, namespaces: Namespaces) -> Iterator[Command]:
    mac = f" address {part.mac}" if part.mac else ""
    inside = f" netns {namespaces[part.sandbox]}" if part.sandbox else ""
    yield Command(
        f"ip link add {part.host_name} mtu {part.mtu} txqueuelen 0 type veth"
        f" peer name {part.name} mtu {part.mtu} txqueuelen 0{mac}{inside}",
        f"a cable: {part.host_name} is its end on the host, {part.name} the one inside",
    )
    master = f" master {part.bridge}" if part.bridge else ""
    yield Command(f"ip link set {part.host_name}{master} up", "the host's end becomes a port of the bridge")
    if part.owner:
        yield Command(f'ip link set {part.host_name} alias "{part.owner}"', "`ip link` says whose it is")
    if part.hairpin:
        yield Command(
            f"bridge link set dev {part.host_name} hairpin on",
            "a container that asks its own published port gets its packets back by the same bridge port",
        )
    yield Command(f"{_ip(part.sandbox, namespaces)} link set {part.name} up")


def _sub_link(part: SubLink, namespaces: Namespaces) -> Iterator[Command]:
    mac = f" address {part.mac}" if part.mac else ""
    mtu = f" mtu {part.mtu}" if part.mtu else ""
    inside = f" netns {namespaces[part.sandbox]}" if part.sandbox else ""
    how = f" id {part.mode}" if part.kind == "vlan" else f" mode {part.mode}" if part.mode else ""
    flag = f" {part.flag}" if part.flag else ""
    yield Command(
        f"ip link add {part.name} link {part.parent}{mtu}{mac}{inside} type {part.kind}{how}{flag}",
        f"an address of its own on the wire of {part.parent}, without a bridge",
    )
    if part.owner:
        yield Command(f'{_ip(part.sandbox, namespaces)} link set {part.name} alias "{part.owner}"')
    yield Command(f"{_ip(part.sandbox, namespaces)} link set {part.name} up")


def _address(part: Address, namespaces: Namespaces) -> Command:
    six = part.interface.version == 6
    nodad = " nodad" if six else ""
    why = "its address" if part.sandbox else "the containers' gateway is the host itself"
    if six and part.interface.ip.is_link_local:
        why = "the router's link-local address, usable at once"
    return Command(
        f"{_ip(part.sandbox, namespaces)} address add {part.interface} dev {part.link}{nodad}", why
    )


def _route(part: Route, namespaces: Namespaces) -> Command:
    version = next((each.version for each in (part.gateway, part.destination) if each), 4)
    family = " -6" if version == 6 else ""
    where = str(part.destination) if part.destination else "default"
    via = f" via {part.gateway}" if part.gateway else ""
    why = "whatever is not on this network goes to the host" if where == "default" else ""
    return Command(f"{_ip(part.sandbox, namespaces)}{family} route add {where}{via} dev {part.link}", why)


#: what kernel parameters are for, by the end of their key
_REASONS = {
    "accept_ra": "no neighbour's router advertisement may change addresses or routes here",
    "disable_ipv6": "IPv6 on this link only where the network has it",
    "route_localnet": "127.0.0.0/8 may be translated to a container without the userland proxy",
    "ip_forward": "the host becomes a router: packets may pass from one link to another",
    "forwarding": "the host becomes a router for IPv6",
    "bridge-nf-call-iptables": "frames between ports of one bridge meet iptables too",
    "bridge-nf-call-ip6tables": "frames between ports of one bridge meet ip6tables too",
}


def _sysctl(part: Sysctl, namespaces: Namespaces) -> Command:
    inside = f"ip netns exec {namespaces[part.sandbox]} " if part.sandbox else ""
    quiet = " -e" if not part.needed else ""
    why = _REASONS.get(part.key.rpartition(".")[2], "asked for")
    return Command(f"{inside}sysctl -q{quiet} -w {part.key}={part.value}", why)


def _ip(sandbox: str, namespaces: Namespaces) -> str:
    return f"ip -n {namespaces[sandbox]}" if sandbox else "ip"
