"""The grammar of published ports: "80/tcp", "8000-8010", PortBindings of the Engine API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address

from linkspan.model.addresses import Address
from linkspan.model.errors import InvalidParameter
from linkspan.model.numbers import is_number
from linkspan.model.ports import PROTOCOLS, PublishRequest

LAST_PORT = 65535
PortBindings = Mapping[str, Sequence[Mapping[str, str]] | None]


def split_port(text: str) -> tuple[str, int, int]:
    """Return (protocol, first, last) of "80", "80/udp" or "8000-8010/tcp"; raises InvalidParameter."""
    ports, _, protocol = text.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise InvalidParameter(f"invalid proto: {protocol}")
    first, last = port_range(ports)
    if first == 0:
        raise InvalidParameter(f'invalid port specification: "{ports}"')
    return protocol, first, last


def port_range(text: str) -> tuple[int, int]:
    """Return the first and last port of "8080" or "8000-8010"; "" and "0" are (0, 0): any port will do.

    Raises InvalidParameter with Docker's text.
    """
    if text in ("", "0"):
        return 0, 0
    first_text, dash, last_text = text.partition("-")
    first = _port(first_text, text)
    last = _port(last_text, text) if dash else first
    if last < first:
        raise InvalidParameter(f"invalid port specification: invalid range specified for port: {text}")
    return first, last


def _port(text: str, whole: str) -> int:
    if is_number(text) and 0 < int(text) <= LAST_PORT:
        return int(text)
    raise InvalidParameter(f'invalid port specification: "{whole}"')


def publish_requests(
    port_bindings: PortBindings, exposed: Iterable[str] = (), publish_all: bool = False
) -> tuple[PublishRequest, ...]:
    """Return what `HostConfig.PortBindings`, ExposedPorts and PublishAllPorts ask for, in the order given.

    An exposed port without a binding is published on a free port when `publish_all` is set, else not at all.
    Raises InvalidParameter with Docker's texts.
    """
    requests = [
        request for port, bindings in port_bindings.items() for request in _bound(port, bindings or ())
    ]
    published = {(request.protocol, request.container_port) for request in requests}
    if publish_all:
        everything = dict.fromkeys([*port_bindings, *exposed])
        requests += [request for request in _exposed(everything) if _port_of(request) not in published]
    else:
        for port in exposed:
            split_port(port)
    return tuple(requests)


def _port_of(request: PublishRequest) -> tuple[str, int]:
    return request.protocol, request.container_port


def _bound(port: str, bindings: Sequence[Mapping[str, str]]) -> Iterator[PublishRequest]:
    protocol, container_port, last = split_port(port)
    if last != container_port:
        raise InvalidParameter(f'invalid port specification: "{port.partition("/")[0]}"')
    for binding in bindings:
        first, last = port_range(str(binding.get("HostPort") or ""))
        yield PublishRequest(
            protocol, container_port, _host_address(binding.get("HostIp") or ""), first, last
        )


def _host_address(text: str) -> Address | None:
    if not text:
        return None
    try:
        return ip_address(text.strip("[]"))
    except ValueError as error:
        raise InvalidParameter(f"invalid IP address: {text}") from error


def _exposed(ports: Iterable[str]) -> Iterator[PublishRequest]:
    seen: dict[tuple[str, int], None] = {}
    for text in ports:
        protocol, first, last = split_port(text)
        seen.update({(protocol, port): None for port in range(first, last + 1)})
    for protocol, port in seen:
        yield PublishRequest(protocol, port)
