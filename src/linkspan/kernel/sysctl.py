"""Kernel parameters under /proc/sys, of the network namespace the calling thread is in.

Source: sysctl(8): dots separate, "/" stands for a dot inside a name ("net.ipv4.conf.eth0/50.forwarding").
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/proc/sys")


def path_of(key: str) -> Path:
    """Return the file of a dotted key; raises ValueError for a key that leaves /proc/sys."""
    parts = [part.replace("/", ".") for part in key.split(".")]
    if any(part in ("", "..") for part in parts):
        raise ValueError(f"{key} is no kernel parameter")
    return _ROOT.joinpath(*parts)


def read(key: str) -> str | None:
    """Return the value without its newline, or None when this kernel has no such parameter."""
    try:
        return path_of(key).read_text().rstrip("\n")
    except FileNotFoundError:
        return None


def write(key: str, value: str) -> None:
    """Set a parameter unless it has the value already; raises OSError as the kernel refuses it."""
    path = path_of(key)
    if path.read_text().rstrip("\n") != value:
        path.write_text(value)
