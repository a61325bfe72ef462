"""The values of the daemon's options: from text to what it means, or a refusal in dockerd's words."""

from __future__ import annotations

import json
import re
from ipaddress import (
    IPv4Interface,
    IPv6Interface,
    ip_address,
)
from pathlib import Path
from typing import TypeVar

from linkspan.runtime.process import Ulimit

Kind = TypeVar("Kind", IPv4Interface, IPv6Interface)

SOCKET = "unix:///run/linkspan/linkspan.sock"
LEVELS = ("panic", "fatal", "error", "warn", "info", "debug", "trace")
ULIMITS = frozenset(
    {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc"}
    | {"rss", "rtprio", "rttime", "sigpending", "stack"}
)

_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?", re.ASCII)


def metrics_address(text: str) -> tuple[str, int]:
    """Return the address and port of loopback for /metrics. Raises ValueError."""
    name, _, port = text.rpartition(":")
    address = "127.0.0.1" if name == "localhost" else name.strip("[]")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"invalid address {text}: it is an address and a port, 127.0.0.1:9323")
    try:
        found = ip_address(address)
    except ValueError:
        raise ValueError(f"invalid address {text}: it is an address and a port, 127.0.0.1:9323") from None
    if not found.is_loopback:
        raise ValueError(f"metrics are told to this host alone: 127.0.0.1:{port} instead of {text}")
    return str(found), int(port)


def host(text: str) -> str:
    """Return a socket to listen on, whole: unix:///path or tcp://address:port. Raises ValueError.

    Docker's short forms mean our places: "unix://" the usual socket, "tcp://" 127.0.0.1:2376.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "tcp", text.strip()
    if scheme == "unix":
        return f"unix://{rest}" if rest else SOCKET
    if scheme == "fd":
        raise ValueError("sockets handed over by systemd are not taken: use -H unix:///path")
    if scheme != "tcp":
        raise ValueError(f"invalid bind address format: {text}")
    return _tcp(rest, text)


def _tcp(rest: str, text: str) -> str:
    address, _, port = rest.rstrip("/").rpartition(":") if re.search(r":\d*/?$", rest) else (rest, "", "")
    port = port or "2376"
    if not 0 < int(port) <= 65535:
        raise ValueError(f"invalid port in bind address: {text}")
    plain = address.strip("[]") or "127.0.0.1"
    try:
        version = ip_address(plain).version
    except ValueError:
        raise ValueError(f"invalid bind address {text}: it needs an IP address") from None
    return f"tcp://[{plain}]:{port}" if version == 6 else f"tcp://{plain}:{port}"


def address(text: str) -> str:
    """Return an IP address as text; raises ValueError."""
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        raise ValueError(f"IP address is not correctly formatted: {text}") from None


def search_domain(text: str) -> str:
    """Return a search domain; "." means none. Raises ValueError."""
    domain = text.strip()
    if domain == "." or (len(domain) < 255 and _DOMAIN.fullmatch(domain)):
        return domain
    raise ValueError(f"{text} is not a valid domain")


def label(text: str) -> str:
    """Return a label "key=value"; raises ValueError."""
    key, equals, _ = text.partition("=")
    if not key.strip():
        raise ValueError(f"invalid label '{text}': empty name")
    if not equals:
        raise ValueError(f"bad attribute format: {text}")
    return text


def labels(given: list[str]) -> tuple[str, ...]:
    """Return labels without duplicates; ValueError where one key has two values."""
    found: dict[str, str] = {}
    for text in given:
        key, _, value = text.partition("=")
        if found.setdefault(key, value) != value:
            raise ValueError(f"conflict labels for {key}={found[key]} and {key}={value}")
    return tuple(f"{key}={value}" for key, value in found.items())


def level(text: str) -> str:
    """Return a log level; raises ValueError."""
    found = {"warning": "warn"}.get(text.lower(), text.lower())
    if found not in LEVELS:
        raise ValueError(f"invalid logging level: {text}")
    return found


def fwmark(text: str) -> str:
    """Return a firewall mark, with a mask if there is one; raises ValueError."""
    mark, slash, mask = text.partition("/")
    for part, name in ((mark, "mark"), (mask, "mask")) if slash else ((mark, "mark"),):
        try:
            good = 0 <= int(part, 0) < 1 << 32
        except ValueError:
            good = False
        if not good:
            raise ValueError(f'invalid firewall {name} "{text}": strconv.ParseUint: parsing "{part}"')
    return text


def mtu(text: str) -> int:
    """Return an MTU in bytes, 0 meaning that of the host's uplink; raises ValueError."""
    number = int(text)
    if number < 0:
        raise ValueError(f"invalid default MTU: {number}")
    if number and not 68 <= number <= 65535:
        raise ValueError(f"invalid default MTU: {number}: it must be between 68 and 65535")
    return number


def interface4(text: str) -> IPv4Interface:
    """Return an IPv4 address with its prefix, which a host can have; raises ValueError."""
    if "/" not in text:
        raise ValueError(f"invalid CIDR address: {text}")
    return _assignable(IPv4Interface(text))


def interface6(text: str) -> IPv6Interface:
    """Return an IPv6 address with its prefix, which a host can have; raises ValueError."""
    if "/" not in text:
        raise ValueError(f"invalid CIDR address: {text}")
    return _assignable(IPv6Interface(text))


def _assignable(found: Kind) -> Kind:
    network = found.network
    ends = {network.network_address, network.broadcast_address}
    if network.prefixlen < network.max_prefixlen - 1 and found.ip in ends:
        raise ValueError(f"{found} is the address of a network, not of a host in it")
    return found


def ulimit(text: str) -> Ulimit:
    """Return a limit "name=soft[:hard]", -1 for none; raises ValueError."""
    name, equals, limits = text.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {text}")
    if name not in ULIMITS:
        raise ValueError(f"invalid ulimit type: {name}")
    soft, _, hard = limits.partition(":")
    try:
        found = Ulimit(name, int(soft), int(hard or soft))
    except ValueError:
        raise ValueError(f"invalid ulimit argument: {text}") from None
    if found.hard >= 0 and not 0 <= found.soft <= found.hard:
        raise ValueError(
            f"ulimit soft limit must be less than or equal to hard limit: {found.soft} > {found.hard}"
        )
    return found


def seccomp_profile(text: str) -> str:
    """Return a profile of system calls: "" for Docker's own, "unconfined", or JSON; raises ValueError."""
    if text in ("builtin", "unconfined"):
        return "" if text == "builtin" else text
    try:
        profile = Path(text).read_text()
        json.loads(profile)
    except (OSError, ValueError) as error:
        raise ValueError(f"opening seccomp profile ({text}) failed: {error}") from error
    return profile


def network_option(text: str) -> tuple[str, str, str]:
    """Return driver, key and value of "driver=key=value"; raises ValueError."""
    parts = text.split("=", 2)
    if len(parts) != 3 or not parts[0].strip() or not parts[1].strip():
        raise ValueError(f"invalid key value pair format in default network options: {text}")
    return parts[0].strip(), parts[1].strip(), parts[2]
