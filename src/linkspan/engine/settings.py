"""The daemon's settings: dockerd's options as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from linkspan.network.settings import NetworkSettings


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """What `linkspand` was started with.

    `hosts` are the sockets to listen on, `shutdown_timeout` is in seconds, `ignored` lists dockerd options
    that were given and mean nothing here.
    """

    hosts: tuple[str, ...] = ("unix:///run/linkspan/linkspan.sock",)
    data_root: Path = Path("/var/lib/linkspan")
    exec_root: Path = Path("/run/linkspan")
    pidfile: Path | None = None
    group: str = ""
    debug: bool = False
    live_restore: bool = False
    shutdown_timeout: int = 15
    labels: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    host_gateway_addresses: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    network: NetworkSettings = field(default_factory=NetworkSettings)
