"""The three files that every container gets from the daemon: hosts, hostname and resolv.conf.

Their contents are decided in linkspan.path.dns (hosts, resolvconf).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from linkspan.path.dns import resolvconf

HOST_HOSTS = Path("/etc/hosts")
HOST_RESOLV = Path("/etc/resolv.conf")


@dataclass(frozen=True, slots=True)
class Files:
    """Where a container's files are on the host."""

    hosts: Path
    hostname: Path
    resolv: Path

    @classmethod
    def of(cls, directory: Path) -> Files:
        """Return the files inside a container's directory."""
        return cls(directory / "hosts", directory / "hostname", directory / "resolv.conf")


def host_resolv() -> str:
    """Return the host's resolv.conf; systemd-resolved's real one when only its stub is listed."""
    text = read(HOST_RESOLV)
    return read(Path(resolvconf.source_path(text))) or text


def read(path: Path) -> str:
    """Return a file's text, "" when it is not there."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def write(path: Path, text: str) -> None:
    """Write in place, so that a bind mount of the file sees it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        left = text.encode()
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)
