"""Rows of `ps` and `ls` as compose's JSON has them (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from linkspan.compose import labels
from linkspan.compose.state import Container


def document(
    container: Container, ports: Callable[[Sequence[dict[str, Any]]], str], ago: Callable[[float], str]
) -> dict[str, Any]:
    """One container as `ps --format json` writes it."""
    row = container.row
    status = str(row.get("Status", ""))
    return {
        "Command": f'"{row.get("Command", "")}"',
        "CreatedAt": row.get("Created", 0),
        "ExitCode": _exit_code(status),
        "Health": _health(status),
        "ID": container.id,
        "Image": container.image,
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(container.labels.items())),
        "Mounts": ",".join(each.get("Name") or each.get("Source", "") for each in row.get("Mounts") or ()),
        "Name": container.name,
        "Names": container.name,
        "Networks": ",".join(sorted(container.networks)),
        "Ports": ports(row.get("Ports") or ()),
        "Project": container.labels.get(labels.PROJECT, ""),
        "Publishers": [_publisher(each) for each in row.get("Ports") or ()],
        "RunningFor": ago(row.get("Created", 0)),
        "Service": container.service,
        "State": container.state,
        "Status": status,
    }


def _publisher(port: dict[str, Any]) -> dict[str, Any]:
    return {
        "URL": port.get("IP", ""),
        "TargetPort": port["PrivatePort"],
        "PublishedPort": port.get("PublicPort", 0),
        "Protocol": port["Type"],
    }


def _exit_code(status: str) -> int:
    """ "Exited (3) 2 seconds ago" -> 3."""
    digits = status.partition("(")[2].partition(")")[0]
    return int(digits) if status.startswith("Exited") and digits.lstrip("-").isdigit() else 0


def _health(status: str) -> str:
    for word in ("unhealthy", "healthy", "starting"):
        if f"({word})" in status or f": {word})" in status:
            return word
    return ""


def projects(containers: Iterable[Container]) -> list[dict[str, str]]:
    """The daemon's projects with how many of their containers are in which state."""
    found: dict[str, dict[str, int]] = {}
    files: dict[str, str] = {}
    for each in containers:
        name = each.labels.get(labels.PROJECT)
        if name and not each.oneoff:
            states = found.setdefault(name, {})
            states[each.state] = states.get(each.state, 0) + 1
            files[name] = files.get(name) or each.labels.get(labels.FILES, "")
    return [
        {
            "Name": name,
            "Status": ", ".join(f"{state}({count})" for state, count in sorted(states.items())),
            "ConfigFiles": files[name],
        }
        for name, states in sorted(found.items())
    ]
