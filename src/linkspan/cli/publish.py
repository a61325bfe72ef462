"""The grammar of -p and --expose: from a person's text to the API's ports (docker's go-connections/nat)."""

from __future__ import annotations

from linkspan.cli.flags import UsageError

PROTOCOLS = ("tcp", "udp", "sctp")


def published(specs: list[str]) -> dict[str, list[dict[str, str]]]:
    """Port bindings of -p texts ({"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}); raises UsageError."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for spec in specs:
        for port, binding in _bindings(spec):
            bindings.setdefault(port, []).append(binding)
    return bindings


def _bindings(spec: str) -> list[tuple[str, dict[str, str]]]:
    address, host, inside, protocol = _split(spec)
    if not inside:
        raise UsageError(f"No port specified: {spec}<empty>")
    first, last = _range(inside, f"Invalid containerPort: {inside}")
    if protocol not in PROTOCOLS:
        raise UsageError(f"Invalid proto: {protocol}")
    ports = [f"{port}/{protocol}" for port in range(first, last + 1)]
    if not host:
        return [(port, {"HostIp": address, "HostPort": ""}) for port in ports]
    host_first, host_last = _range(host, f"Invalid hostPort: {host}")
    if len(ports) == 1:
        return [(ports[0], {"HostIp": address, "HostPort": host})]
    if host_last - host_first != last - first:
        raise UsageError(f"Invalid ranges specified for container and host Ports: {inside} and {host}")
    return [
        (port, {"HostIp": address, "HostPort": str(host_first + offset)}) for offset, port in enumerate(ports)
    ]


def _split(spec: str) -> tuple[str, str, str, str]:
    """Host address, host port, container port, protocol."""
    rest, _, protocol = spec.partition("/")
    address = ""
    if rest.startswith("["):
        address, closed, rest = rest[1:].partition("]")
        if not closed or not rest.startswith(":"):
            raise UsageError(f"Invalid ip address: {spec}")
        rest = rest[1:]
    *head, inside = rest.split(":")
    host = head.pop() if head else ""
    address = address or ":".join(head)
    _check_address(address)
    return address, host, inside, (protocol or "tcp").lower()


def _check_address(address: str) -> None:
    import _socket

    if not address:
        return
    try:
        _socket.inet_pton(_socket.AF_INET6 if ":" in address else _socket.AF_INET, address)
    except OSError:
        raise UsageError(f"Invalid ip address: {address}") from None


def _range(text: str, complaint: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        raise UsageError(complaint)
    low, high = int(first), int(last or first)
    if not 0 < low <= high < 65536:
        raise UsageError(complaint)
    return low, high


def exposed(specs: list[str]) -> list[str]:
    """The ports of --expose texts ("80", "53/udp", "8000-8010"), one by one."""
    ports = []
    for spec in specs:
        text, _, protocol = spec.partition("/")
        if ":" in spec:
            raise UsageError(f"invalid port format for --expose: {spec}")
        first, last = _range(text, f"invalid range format for --expose: {spec}")
        ports += [f"{port}/{(protocol or 'tcp').lower()}" for port in range(first, last + 1)]
    return ports
