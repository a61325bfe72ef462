"""Who may use a published port: the labels `linkspan.allow.PORT`, and lists of subnets as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from linkspan.model.addresses import Subnet
from linkspan.model.errors import InvalidParameter
from linkspan.model.port_grammar import split_port
from linkspan.model.ports import PublishRequest

PREFIX = "linkspan.allow."
LONGEST = 64
"""Sources of one port: each is a rule, or an element, for each port."""


def parse_sources(text: str) -> tuple[Subnet, ...]:
    """Return the subnets of a comma-separated list, joined where they touch, IPv4 first.

    A plain address means itself. Raises ValueError that names the entry and what is wrong with it.
    """
    found = [_subnet(entry.strip()) for entry in text.split(",")]
    four = collapse_addresses(subnet for subnet in found if isinstance(subnet, IPv4Network))
    six = collapse_addresses(subnet for subnet in found if isinstance(subnet, IPv6Network))
    joined: tuple[Subnet, ...] = (*four, *six)
    if len(joined) > LONGEST:
        raise ValueError(f"{len(joined)} subnets are too many: at most {LONGEST}")
    return joined


def _subnet(entry: str) -> Subnet:
    try:
        return ip_network(entry)
    except ValueError as error:
        reason = str(error)
    try:
        whole = ip_network(entry, strict=False)
    except ValueError:
        raise ValueError(
            f'"{entry}" is no address and no subnet (10.0.0.0/8, fd00::/8, 192.0.2.7): {reason}'
        ) from None
    raise ValueError(f'"{entry}" has bits beyond its prefix: {whole} is the subnet')


def restricted(requests: Iterable[PublishRequest], labels: Mapping[str, str]) -> tuple[PublishRequest, ...]:
    """Return the publish requests with the sources that the labels of the container allow.

    `linkspan.allow.8080` is for the host port 8080, with "/udp" for that protocol alone; of a port that the
    host chooses, the container's port is meant. Raises InvalidParameter for a label that cannot be read or
    that means no published port: it would protect nothing.
    """
    result = list(requests)
    for label in (label for label in labels if label.startswith(PREFIX)):
        matching = _matching(label, result)
        try:
            sources = parse_sources(labels[label])
        except ValueError as error:
            raise InvalidParameter(f"invalid label {label}={labels[label]}: {error}") from error
        if not matching:
            raise InvalidParameter(
                f"invalid label {label}: no port {label.removeprefix(PREFIX)} is published, so it would"
                " protect nothing: name the host port of a -p, or the container port if the host's is chosen"
            )
        for place in matching:
            result[place] = replace(result[place], sources=sources)
    _agree(result)
    return tuple(result)


def _matching(label: str, requests: list[PublishRequest]) -> list[int]:
    text = label.removeprefix(PREFIX)
    try:
        protocol, first, last = split_port(text)
    except InvalidParameter as error:
        raise InvalidParameter(f"invalid label {label}: {error}") from error
    protocols = (protocol,) if "/" in text else ("tcp", "udp", "sctp")
    return [
        place
        for place, request in enumerate(requests)
        if request.protocol in protocols and first <= _number(request) <= last
    ]


def _number(request: PublishRequest) -> int:
    """Return the number that a label calls a publish by."""
    return request.first if request.first and request.first == request.last else request.container_port


def _agree(requests: Iterable[PublishRequest]) -> None:
    """Refuse different lists for one port of the container: who may come directly could not be told."""
    lists: dict[tuple[str, int], tuple[Subnet, ...]] = {}
    for request in requests:
        if not request.sources:
            continue
        known = lists.setdefault((request.protocol, request.container_port), request.sources)
        if known != request.sources:
            raise InvalidParameter(
                f"port {request.container_port}/{request.protocol} of the container is published twice with"
                f" different {PREFIX}… lists: give both the same one"
            )
