"""Short and long form of published ports (pure).

Source: Compose Specification, "ports"; docker/go-connections nat.ParsePortSpec.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from linkspan.compose.values import integer

_SHORT = re.compile(
    r"(?:(?:(?P<host>\[[0-9a-fA-F:.%]+\]|[0-9.]+|\$?[^:/]*?):)?(?P<published>\d*(?:-\d+)?):)?"
    r"(?P<target>\d+(?:-\d+)?)(?:/(?P<protocol>\w+))?"
)
LARGEST = 65535
PROTOCOLS = ("tcp", "udp", "sctp")


def expand(value: Any) -> list[dict[str, Any]]:
    """The long forms of one entry; a range gives one for each port. ValueError says what is wrong."""
    if isinstance(value, Mapping):
        return [_long(value)]
    match = _SHORT.fullmatch(str(value))
    if match is None:
        raise ValueError(f'"{value}" is not a port: write "8080:80", "127.0.0.1:8080:80/udp" or "80"')
    host = (match["host"] or "").strip("[]")
    protocol = (match["protocol"] or "tcp").lower()
    _check(host, protocol, str(value))
    targets = span(match["target"])
    published = span(match["published"]) if match["published"] else None
    if published is None:
        return [_entry(host, port, "", protocol) for port in targets]
    if len(targets) == 1 and len(published) > 1:
        return [_entry(host, targets[0], match["published"], protocol)]
    if len(targets) != len(published):
        raise ValueError(f'"{value}": {len(published)} host ports cannot lead to {len(targets)} ports')
    return [
        _entry(host, inner, str(outer), protocol) for outer, inner in zip(published, targets, strict=True)
    ]


def _check(host: str, protocol: str, shown: str) -> None:
    if protocol not in PROTOCOLS:
        raise ValueError(f'"{shown}": the protocol is none of {", ".join(PROTOCOLS)}')
    if host:
        try:
            ip_address(host)
        except ValueError:
            raise ValueError(f'"{shown}": {host} is not an IP address') from None


def _entry(host: str, target: int, published: str, protocol: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"mode": "ingress"}
    if host:
        entry["host_ip"] = host
    entry["target"] = target
    if published:
        entry["published"] = published
    return {**entry, "protocol": protocol}


def _long(value: Mapping[str, Any]) -> dict[str, Any]:
    if "target" not in value:
        raise ValueError('the key "target" is missing: the port inside the container')
    published = str(value.get("published", ""))
    if published:
        span(published)
    host, protocol = str(value.get("host_ip", "")), str(value.get("protocol", "tcp")).lower()
    target = integer(value["target"])
    span(str(target))
    _check(host, protocol, str(target))
    entry = {**_entry(host, target, published, protocol), "mode": value.get("mode", "ingress")}
    return {**entry, **{key: value[key] for key in ("name", "app_protocol") if value.get(key)}}


def span(text: str) -> range:
    """ "80" or "8000-8010" as a range; ValueError when it is none."""
    first, _, last = text.partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        raise ValueError(f'"{text}" is not a port or a range of ports')
    found = range(int(first), int(last or first) + 1)
    if not found or found[0] < 0 or found[-1] > LARGEST or (found[0] == 0 and last):
        raise ValueError(f'"{text}" is not a range of ports between 1 and {LARGEST}')
    return found
