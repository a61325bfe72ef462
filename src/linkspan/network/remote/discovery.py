"""Where plugins are found: sockets and spec files in Docker's directories.

Source: Docker's "Docker Plugin API", section Plugin discovery.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from linkspan.model.errors import LinkspanError, NotFound

SOCKETS = Path("/run/docker/plugins")
SPECS = (Path("/etc/docker/plugins"), Path("/usr/lib/docker/plugins"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plugin listens: the path of a unix socket, or a host and a TCP port."""

    socket: str = ""
    host: str = ""
    port: int = 0


def find(name: str, sockets: Path = SOCKETS, specs: tuple[Path, ...] = SPECS) -> Place:
    """Return where the plugin `name` listens; a socket goes before a .spec file, that before a .json file.

    Raises NotFound with Docker's text, LinkspanError for a file that cannot be understood.
    """
    if name and "/" not in name:
        for path in (sockets / f"{name}.sock", sockets / name / f"{name}.sock"):
            if path.is_socket():
                return Place(socket=str(path))
        for path in _files(name, specs):
            if path.is_file():
                return _read(path)
    raise NotFound(f"could not find plugin {name} in v1 plugin registry: plugin not found")


def _files(name: str, specs: tuple[Path, ...]) -> Iterator[Path]:
    for suffix in ("spec", "json"):
        for directory in specs:
            yield directory / f"{name}.{suffix}"
            yield directory / name / f"{name}.{suffix}"


def _read(path: Path) -> Place:
    text = path.read_text().strip()
    try:
        address = str(json.loads(text)["Addr"]) if path.suffix == ".json" else text
        return parse(address)
    except (ValueError, KeyError, TypeError) as error:
        raise LinkspanError(f"the plugin file {path} cannot be understood: {error}") from error


def parse(address: str) -> Place:
    """Return the place of "unix:///run/x.sock" or "tcp://localhost:8080"; raises ValueError for others."""
    parts = urlsplit(address)
    if parts.scheme == "unix" and parts.path:
        return Place(socket=parts.path)
    if parts.scheme in ("tcp", "http") and parts.hostname and parts.port:
        return Place(host=parts.hostname, port=parts.port)
    raise ValueError(f"invalid plugin address {address!r}: unix:///PATH or tcp://HOST:PORT is meant")
