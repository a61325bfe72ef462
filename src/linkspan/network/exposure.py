"""What a publish opens behind the back of the host's own firewall, in words for who asked for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from linkspan.firewall.guards import Guard
from linkspan.model.addresses import Interface, Subnet
from linkspan.model.ports import PublishRequest

SHOWN = 5


def exposures(
    requests: Sequence[PublishRequest],
    guards: Iterable[Guard],
    host: Iterable[Interface],
    own: Sequence[Subnet] = (),
) -> list[str]:
    """Return a sentence for each guard that some of `requests` pass.

    Loopback, ports with an allow-list and ports that the guard lets through anyway are no matter. `host` are
    the addresses of the host, of which those in `own`, our networks, are left out.
    """
    sentences = []
    for guard in _merged(guards):
        passing = sorted((request for request in requests if _passes(request, guard)), key=_order)
        if passing:
            sentences.append(_sentence(passing, guard, _reachable(passing, guard, host, own)))
    return sentences


def _order(request: PublishRequest) -> tuple[bool, int, int]:
    return not request.first, request.first, request.container_port


def _merged(guards: Iterable[Guard]) -> list[Guard]:
    """Return one guard for each name: ufw has a chain for each family."""
    found: dict[str, Guard] = {}
    for guard in guards:
        known = found.get(guard.name, Guard(guard.name, ()))
        found[guard.name] = Guard(
            guard.name, (*known.families, *guard.families), (*known.admitted, *guard.admitted)
        )
    return list(found.values())


def _passes(request: PublishRequest, guard: Guard) -> bool:
    address = request.host_address
    if request.sources or (
        address is not None and (address.is_loopback or address.version not in guard.families)
    ):
        return False
    return not (request.first and guard.admits(request.protocol, request.first))


def _reachable(
    requests: Iterable[PublishRequest], guard: Guard, host: Iterable[Interface], own: Sequence[Subnet]
) -> list[str]:
    wanted = [request.host_address for request in requests]
    anywhere = any(address is None or address.is_unspecified for address in wanted)
    found = [
        interface.ip
        for interface in host
        if interface.version in guard.families
        and not (interface.is_loopback or interface.is_link_local)
        and not any(interface.version == subnet.version and interface.ip in subnet for subnet in own)
        and (anywhere or interface.ip in wanted)
    ]
    return [str(address) for address in found] or [str(address) for address in wanted if address is not None]


def _sentence(requests: Sequence[PublishRequest], guard: Guard, addresses: Sequence[str]) -> str:
    ports = list(dict.fromkeys(_port(request) for request in requests))
    one = requests[0]
    label = one.first if one.first == one.last and one.first else one.container_port
    return (
        f"published past {guard.name}, which drops what comes in by default: {_listed(ports)},"
        f" open to whoever reaches {_listed(addresses) or 'this host'}. For this host alone publish on"
        f" 127.0.0.1; for some, label the container linkspan.allow.{label}=SUBNET; or start the daemon with"
        " --respect-host-firewall"
    )


def _port(request: PublishRequest) -> str:
    if request.first and request.first == request.last:
        return f"{request.first}/{request.protocol}"
    return f"a port for {request.container_port}/{request.protocol}"


def _listed(words: Sequence[str]) -> str:
    rest = len(words) - SHOWN
    return ", ".join([*words[:SHOWN], *([f"{rest} more"] if rest > 0 else [])])
