"""The daemon's settings: dockerd's options as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from linkspan.network.settings import NetworkSettings
from linkspan.runtime.process import Ulimit


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the TLS sockets: who signs clients, and the certificate and key of this daemon."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """What `linkspand` was started with.

    `hosts` are the sockets to listen on, `group` may use those in the file system, `tls` is for those on TCP;
    `metrics` is an address of loopback, and its port, for /metrics alone.
    `shutdown_timeout` is in seconds, negative for ever. Where a container has none of its own, it gets
    `default_ulimits`, `no_new_privileges` and `seccomp_profile` ("" for Docker's, "unconfined", or JSON).
    `proxies` are (variable, value) for pulling images. `ignored` lists dockerd options that were given and
    mean nothing here. `from_file` are the options that the configuration file says, by flag name: those that
    a reload may change.
    """

    hosts: tuple[str, ...] = ("unix:///run/linkspan/linkspan.sock",)
    data_root: Path = Path("/var/lib/linkspan")
    exec_root: Path = Path("/run/linkspan")
    pidfile: Path | None = None
    group: str = ""
    debug: bool = False
    log_level: str = "info"
    tls: TlsFiles | None = None
    metrics: tuple[str, int] | None = None
    live_restore: bool = False
    shutdown_timeout: int = 15
    labels: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    host_gateway_addresses: tuple[str, ...] = ()
    default_ulimits: tuple[Ulimit, ...] = ()
    no_new_privileges: bool = False
    seccomp_profile: str = ""
    proxies: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
    from_file: frozenset[str] = frozenset()
    network: NetworkSettings = field(default_factory=NetworkSettings)
