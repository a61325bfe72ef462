"""Kernel parameters below /proc/sys, by the dotted keys of sysctl(8).

/proc/sys/net shows the network namespace of the thread that opens a file: call these inside a sandbox to
read or write its settings.
"""

from __future__ import annotations

import errno
from pathlib import Path

_ROOT = Path("/proc/sys")
_SWAP = str.maketrans("./", "/.")


def path_of(key: str) -> Path:
    """Return the file of a key like net.ipv4.conf.eth0/50.forwarding: a dot in a link's name is written "/".

    A key whose first separator is "/" is a path already. Raises OSError EINVAL for one that leaves /proc/sys.
    """
    first = next((letter for letter in key if letter in "./"), ".")
    parts = (key.translate(_SWAP) if first == "." else key).split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in key:
        raise OSError(errno.EINVAL, "this is no kernel parameter")
    return _ROOT.joinpath(*parts)


def read(key: str) -> str:
    """Return the value without the newline; raises FileNotFoundError, or another OSError."""
    return path_of(key).read_text().rstrip("\n")


def exchange(key: str, value: str) -> str:
    """Set a value unless it is set already, and return the one before; raises OSError as read() does."""
    before = read(key)
    if before != value:
        path_of(key).write_text(value)
    return before


def has_bridge_filter() -> bool:
    """Tell whether br_netfilter is there, which lets the packet filter see bridged frames."""
    return (_ROOT / "net/bridge/bridge-nf-call-iptables").exists()


def has_ipv6() -> bool:
    """Tell whether this network namespace knows IPv6."""
    return (_ROOT / "net/ipv6/conf/all/disable_ipv6").exists()
