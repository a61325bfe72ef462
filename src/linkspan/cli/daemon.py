"""`linkspand`: dockerd's flags and daemon.json become the daemon's settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import TypeVar

from linkspan import __version__
from linkspan.cli import daemon_file, daemon_values, loading
from linkspan.cli.daemon_flags import IGNORED, MEANT, REFUSED
from linkspan.cli.flags import Command, HelpWanted, Options, UsageError, help_text, parse
from linkspan.engine.settings import DaemonSettings, TlsFiles
from linkspan.firewall.backend import BACKENDS
from linkspan.ipam.pools import AddressPool, parse_pool
from linkspan.model.errors import InvalidParameter, LinkspanError
from linkspan.network.settings import NetworkSettings

T = TypeVar("T")

EXAMPLES = """\
# on this machine, for everybody who may use the socket
linkspan daemon

# beside a Docker that runs already: socket and directories of its own, no docker0
linkspan daemon -H unix:///tmp/l.sock --data-root /tmp/l --exec-root /tmp/lrun -b none

# networks of 256 addresses instead of 65,536
linkspan daemon --default-address-pool base=10.200.0.0/16,size=24

# for other machines too, each of which needs a certificate
linkspan daemon -H unix:// -H tcp://0.0.0.0:2376 --tlsverify \\
    --tlscacert ca.pem --tlscert cert.pem --tlskey key.pem"""


def main(arguments: Sequence[str]) -> int:
    """Start the daemon and stay until it ends; the exit code. Wrong options are 1 with a sentence."""
    try:
        options = parse(COMMAND, arguments)
        if options.on("version"):
            print(f"Linkspan version {__version__}")
            return 0
        settings = settings_from(options)
    except HelpWanted:
        shown = Command(COMMAND.name, COMMAND.usage, COMMAND.summary, COMMAND.run, MEANT, examples=EXAMPLES)
        print(help_text(shown), end="")
        return 0
    except (UsageError, LinkspanError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.on("validate"):
        print("configuration OK")
        return 0
    with loading.quick():
        from linkspan.daemon import run
    return run(settings, lambda: _again(arguments))


def _again(arguments: Sequence[str]) -> DaemonSettings:
    """Read flags and file again, for a daemon that runs; what is wrong is an InvalidParameter."""
    try:
        return settings_from(parse(COMMAND, arguments))
    except UsageError as error:
        raise InvalidParameter(str(error)) from error


COMMAND = Command(
    "daemon",
    "[OPTIONS]",
    "Start the engine; it takes dockerd's flags (those that mean nothing here are said to be ignored)",
    lambda _options, _client: 0,
    (*MEANT, *REFUSED, *IGNORED),
    maximum=0,
)


def settings_from(options: Options) -> DaemonSettings:
    """Flags and configuration file as one value; UsageError or InvalidParameter for what is wrong in them."""
    path = Path(options.text("config-file"))
    document = daemon_file.read(path, required=options.given("config-file"))
    from_file = daemon_file.merge(options, path, document, COMMAND.flags)
    try:
        _agree(options)
        return _settings(Reader(options, from_file), from_file)
    except (UsageError, LinkspanError) as error:
        if not from_file:
            raise
        what = "merged configuration validation from file and command line flags failed"
        raise daemon_file.trouble(path, f"{what}: {error}") from error


def _agree(options: Options) -> None:
    """Raise UsageError for options that exclude each other, or promise what is not there."""
    refused = [f.name for f in REFUSED if options.given(f.name) and options.text(f.name) != "false"]
    if refused:
        names = ", ".join(f"--{name}" for name in refused)
        raise UsageError(f"linkspan daemon: {names}: this protection is not available here, so not starting")
    if options.text("firewall-backend") not in BACKENDS:
        raise UsageError(
            f'invalid firewall-backend "{options.text("firewall-backend")}": use {", ".join(BACKENDS)}'
        )
    if options.text("bridge") and (options.text("bip") or options.text("bip6")):
        raise UsageError("You specified -b & --bip, mutually exclusive options. Please specify only one")
    if options.on("respect-host-firewall") and not options.on("userland-proxy"):
        raise UsageError(
            "You specified --userland-proxy=false with --respect-host-firewall. The proxy's sockets are what"
            " the host's INPUT rules apply to. Please leave one of them out"
        )
    if not options.on("icc") and not options.on("iptables"):
        raise UsageError(
            "You specified --iptables=false with --icc=false. ICC=false uses iptables to function."
            " Please set --icc or --iptables to true"
        )


class Reader:
    """Reads the values of options; a bad one is a UsageError in the words of its origin, flag or file."""

    def __init__(self, options: Options, from_file: frozenset[str]) -> None:
        self.options = options
        self._from_file = from_file

    def value(self, name: str, kind: Callable[[str], T], text: str) -> T:
        try:
            return kind(text)
        except (ValueError, LinkspanError) as error:
            if name in self._from_file:
                raise UsageError(f"invalid {name}: {error}" if name != "log-level" else str(error)) from error
            raise UsageError(f'invalid argument "{text}" for "--{name}" flag: {error}') from error

    def one(self, name: str, kind: Callable[[str], T]) -> T | None:
        text = self.options.text(name)
        return self.value(name, kind, text) if text else None

    def all(self, name: str, kind: Callable[[str], T]) -> tuple[T, ...]:
        return tuple(self.value(name, kind, each) for each in self.options.list(name))

    def path(self, name: str) -> Path:
        return Path(self.options.text(name)).absolute()


def _settings(reader: Reader, from_file: frozenset[str]) -> DaemonSettings:
    options = reader.options
    hosts = reader.all("host", daemon_values.host)
    return DaemonSettings(
        hosts=tuple(dict.fromkeys(hosts)) or DaemonSettings().hosts,
        data_root=reader.path("data-root"),
        exec_root=reader.path("exec-root"),
        pidfile=reader.path("pidfile") if options.text("pidfile") else None,
        group=options.text("group"),
        debug=options.on("debug"),
        log_level=reader.value("log-level", daemon_values.level, options.text("log-level") or "info"),
        tls=_tls(reader, [host for host in hosts if host.startswith("tcp://")]),
        metrics=reader.one("metrics-addr", daemon_values.metrics_address),
        live_restore=options.on("live-restore"),
        shutdown_timeout=int(options.text("shutdown-timeout")),
        labels=_labels(reader),
        insecure_registries=tuple(options.list("insecure-registry")),
        dns=reader.all("dns", daemon_values.address),
        dns_search=reader.all("dns-search", daemon_values.search_domain),
        dns_options=tuple(options.list("dns-opt")),
        host_gateway_addresses=reader.all("host-gateway-ip", daemon_values.address),
        no_new_privileges=options.on("no-new-privileges"),
        seccomp_profile=reader.one("seccomp-profile", daemon_values.seccomp_profile) or "",
        default_ulimits=reader.all("default-ulimit", daemon_values.ulimit),
        proxies=tuple(
            (name.replace("-", "_").upper(), options.text(name))
            for name in ("http-proxy", "https-proxy", "no-proxy")
            if options.text(name)
        ),
        ignored=tuple(sorted(flag.name for flag in IGNORED if options.given(flag.name))),
        from_file=from_file,
        network=_network(reader),
    )


def _labels(reader: Reader) -> tuple[str, ...]:
    try:
        return daemon_values.labels(list(reader.all("label", daemon_values.label)))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _tls(reader: Reader, exposed: list[str]) -> TlsFiles | None:
    """Return the files of the TLS sockets; a TCP socket without a check of its clients is refused."""
    options = reader.options
    verify = options.on("tlsverify")
    if not verify:
        if exposed or options.on("tls"):
            which = exposed[0] if exposed else "--tls"
            raise UsageError(
                f"{which}: whoever reaches a TCP socket of the daemon is root on this machine, so it is open"
                " to clients with a certificate only: add --tlsverify --tlscacert --tlscert --tlskey"
            )
        return None
    missing = [f"--{name}" for name in ("tlscacert", "tlscert", "tlskey") if not options.text(name)]
    if missing:
        raise UsageError(f"--tlsverify needs {', '.join(missing)} too")
    return TlsFiles(reader.path("tlscacert"), reader.path("tlscert"), reader.path("tlskey"))


def _network(reader: Reader) -> NetworkSettings:
    options = reader.options
    bind = ip_address(reader.one("ip", daemon_values.address) or "0.0.0.0")
    return NetworkSettings(
        bridge=options.text("bridge"),
        bip=reader.one("bip", daemon_values.interface4),
        fixed_cidr=reader.one("fixed-cidr", _cidr4),
        default_gateway=reader.one("default-gateway", _address4),
        ipv6=options.on("ipv6"),
        bip6=reader.one("bip6", daemon_values.interface6),
        fixed_cidr_v6=reader.one("fixed-cidr-v6", _cidr6),
        default_gateway_v6=reader.one("default-gateway-v6", _address6),
        default_address_pools=_pools(reader),
        mtu=reader.value("mtu", daemon_values.mtu, options.text("mtu") or "0"),
        icc=options.on("icc"),
        ip_masq=options.on("ip-masq"),
        ip_forward=options.on("ip-forward"),
        iptables=options.on("iptables"),
        ip6tables=options.on("ip6tables"),
        firewall_backend=options.text("firewall-backend"),
        userland_proxy=options.on("userland-proxy"),
        default_bind_address=None if bind.is_unspecified else bind,
        allow_direct_routing=options.on("allow-direct-routing"),
        accept_fwmark=reader.one("bridge-accept-fwmark", daemon_values.fwmark) or "",
        default_network_options=reader.all("default-network-opt", daemon_values.network_option),
        respect_host_firewall=options.on("respect-host-firewall"),
        bridge_filter_optional=os.environ.get("DOCKER_IGNORE_BR_NETFILTER_ERROR") == "1",
        exec_root=reader.path("exec-root"),
    )


def _pools(reader: Reader) -> tuple[AddressPool, ...]:
    return reader.all("default-address-pool", parse_pool)


def _address4(text: str) -> IPv4Address:
    return IPv4Address(daemon_values.address(text))


def _address6(text: str) -> IPv6Address:
    return IPv6Address(daemon_values.address(text))


def _cidr4(text: str) -> IPv4Network:
    if "/" not in text:
        raise ValueError(f"invalid CIDR address: {text}")
    return IPv4Network(text, strict=False)


def _cidr6(text: str) -> IPv6Network:
    if "/" not in text:
        raise ValueError(f"invalid CIDR address: {text}")
    return IPv6Network(text, strict=False)
