"""`linkspand`: dockerd's flags and daemon.json become the daemon's settings."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    NetmaskValueError,
    ip_address,
)
from pathlib import Path
from typing import Any, TypeVar

from linkspan import __version__
from linkspan.cli.daemon_flags import FILE_KEYS, IGNORED, MEANT, REFUSED
from linkspan.cli.flags import TRUE, Command, HelpWanted, Options, UsageError, help_text, parse
from linkspan.engine.settings import DaemonSettings
from linkspan.ipam.pools import parse_pool
from linkspan.model.errors import LinkspanError
from linkspan.network.settings import NetworkSettings

T = TypeVar("T")

EXAMPLES = """\
# on this machine, for everybody who may use the socket
linkspan daemon

# beside a Docker that runs already: socket and directories of its own, no docker0
linkspan daemon -H unix:///tmp/l.sock --data-root /tmp/l --exec-root /tmp/lrun -b none

# networks of 256 addresses instead of 65,536
linkspan daemon --default-address-pool base=10.200.0.0/16,size=24"""


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
    from linkspan.daemon import run

    return run(settings)


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
    add_file(options, Path(options.text("config-file")))
    refused = [
        flag.name for flag in REFUSED if options.given(flag.name) and options.text(flag.name) != "false"
    ]
    if refused:
        names = ", ".join(f"--{name}" for name in refused)
        raise UsageError(f"linkspan daemon: {names}: this protection is not available here, so not starting")
    if options.text("firewall-backend") != "iptables":
        raise UsageError(f'invalid firewall-backend "{options.text("firewall-backend")}": use iptables')
    pidfile = options.text("pidfile")
    return DaemonSettings(
        hosts=tuple(options.list("host")) or DaemonSettings().hosts,
        data_root=Path(options.text("data-root")).absolute(),
        exec_root=Path(options.text("exec-root")).absolute(),
        pidfile=Path(pidfile).absolute() if pidfile else None,
        group=options.text("group"),
        debug=options.on("debug"),
        live_restore=options.on("live-restore"),
        shutdown_timeout=options.number("shutdown-timeout") or 0,
        labels=tuple(options.list("label")),
        insecure_registries=tuple(options.list("insecure-registry")),
        dns=tuple(str(_value("dns", ip_address, each)) for each in options.list("dns")),
        dns_search=tuple(options.list("dns-search")),
        dns_options=tuple(options.list("dns-opt")),
        host_gateway_addresses=tuple(
            str(_value("host-gateway-ip", ip_address, each)) for each in options.list("host-gateway-ip")
        ),
        ignored=tuple(sorted(flag.name for flag in IGNORED if options.given(flag.name))),
        network=_network(options),
    )


def _network(options: Options) -> NetworkSettings:
    bind = ip_address(_checked(options, "ip", ip_address) or "0.0.0.0")
    return NetworkSettings(
        bridge=options.text("bridge"),
        bip=_optional(options, "bip", _host_interface),
        fixed_cidr=_optional(options, "fixed-cidr", IPv4Network),
        default_gateway=_optional(options, "default-gateway", IPv4Address),
        default_address_pools=tuple(parse_pool(each) for each in options.list("default-address-pool")),
        mtu=options.number("mtu") or 1500,
        icc=options.on("icc"),
        ip_masq=options.on("ip-masq"),
        ip_forward=options.on("ip-forward"),
        iptables=options.on("iptables"),
        ip6tables=options.on("ip6tables"),
        userland_proxy=options.on("userland-proxy"),
        default_bind_address=None if bind.is_unspecified else bind,
        allow_direct_routing=options.on("allow-direct-routing"),
        exec_root=Path(options.text("exec-root")).absolute(),
    )


def _host_interface(text: str) -> IPv4Interface:
    if "/" not in text:
        raise ValueError("invalid CIDR address")
    return IPv4Interface(text)


def _checked(options: Options, name: str, kind: Callable[[str], object]) -> str:
    text = options.text(name)
    if text:
        _value(name, kind, text)
    return text


def _optional(options: Options, name: str, kind: Callable[[str], T]) -> T | None:
    text = options.text(name)
    return _value(name, kind, text) if text else None


def _value(name: str, kind: Callable[[str], T], text: str) -> T:
    try:
        return kind(text)
    except (ValueError, AddressValueError, NetmaskValueError) as error:
        raise UsageError(f'invalid argument "{text}" for "--{name}" flag: {error}') from error


def add_file(options: Options, path: Path) -> None:
    """Add what the JSON file says. As in Docker, an option that is a flag too, or unknown, is an error."""
    if not path.exists():
        if options.given("config-file"):
            raise UsageError(f"unable to configure the daemon with file {path}: no such file")
        return
    try:
        document = json.loads(path.read_text() or "{}")
    except ValueError as error:
        raise UsageError(f"unable to configure the daemon with file {path}: {error}") from error
    known = {flag.name: flag for flag in COMMAND.flags}
    names = {key: FILE_KEYS.get(key, key) for key in document}
    unknown = sorted(key for key, name in names.items() if name not in known)
    if unknown:
        raise UsageError(
            f"unable to configure the daemon with file {path}: "
            f"the following directives don't match any configuration option: {', '.join(unknown)}"
        )
    both = [key for key, name in names.items() if options.given(name) and known[name].kind != "list"]
    if both:
        raise UsageError(
            f"unable to configure the daemon with file {path}: the following directives are specified both "
            f"as a flag and in the configuration file: {_both_text(both, names, options, document)}"
        )
    for key, name in names.items():
        for text in _texts(document[key]):
            options.add(name, text)


def _both_text(keys: list[str], names: dict[str, str], options: Options, document: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}: (from flag: {options.text(names[key])}, from file: {document[key]})" for key in keys
    )


def _texts(value: Any) -> list[str]:
    """A value of the file as the texts of flags ({"base": …, "size": …} becomes base=…,size=…)."""
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    if isinstance(value, dict):
        return [",".join(f"{key}={each}" for key, each in value.items())]
    if isinstance(value, bool):
        return [TRUE[3] if value else "false"]
    return [str(value)]
