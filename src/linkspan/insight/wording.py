"""How ports, addresses and traits of networks are written in maps and lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]
_ANY = ("0.0.0.0", "::")


def port(binding: Document) -> str:
    """Return a published port as "8080 → 80/tcp", with the host address where it is not every one."""
    first, inner, count = binding["HostPort"], binding["ContainerPort"], binding["Count"]
    outer, inner_text = str(first), str(inner)
    if count > 1:
        outer, inner_text = f"{first}-{first + count - 1}", f"{inner}-{inner + count - 1}"
    address = binding["HostIp"]
    if address == "::":
        outer = f"[::]:{outer}"
    elif address not in _ANY:
        outer = f"[{address}]:{outer}" if ":" in address else f"{address}:{outer}"
    return f"{outer} → {inner_text}/{binding['Protocol']}"


def ports(bindings: Sequence[Document]) -> list[str]:
    """Return all published ports; one that is open on every address of both families is written once."""
    texts = {}
    for each in bindings:
        key = (each["Protocol"], each["HostPort"], each["ContainerPort"], each["Count"])
        if each["HostIp"] == "0.0.0.0":
            texts[key] = port(each)
    found = [*texts.values()]
    for each in bindings:
        key = (each["Protocol"], each["HostPort"], each["ContainerPort"], each["Count"])
        if each["HostIp"] != "0.0.0.0" and not (each["HostIp"] == "::" and key in texts):
            found.append(port(each))
    return found


def global_addresses(interfaces: Sequence[str]) -> list[str]:
    """Return the addresses without those of IPv6 that only mean something on their link."""
    return [each for each in interfaces if not each.startswith("fe80:")]


def addresses(endpoint: Document) -> list[str]:
    """Return the addresses of an endpoint, without prefix lengths."""
    return [endpoint[key].partition("/")[0] for key in ("IPv4", "IPv6") if endpoint[key]]


def traits(network: Document) -> list[str]:
    """Return what is special about a network: "internal", "icc off", "on eth0"."""
    found = []
    if network["Internal"]:
        found.append("internal")
    if not network["Icc"]:
        found.append("icc off")
    if network["Parent"]:
        found.append(f"on {network['Parent']}")
    return found
