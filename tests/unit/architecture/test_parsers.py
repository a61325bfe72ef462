"""Every parser of what people write takes any text at all: it is read, or refused by the error meant for it.

Those with a grammar of their own have tests of it at their place; those of bytes are fuzzed (`make fuzz`).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkspan.api import versions
from linkspan.cli import daemon_values, json_text
from linkspan.compose import dotenv
from linkspan.compose import ports as compose_ports
from linkspan.engine import mounts, option_rules, signals
from linkspan.firewall import guards, obstacles
from linkspan.firewall.render import restore
from linkspan.ipam import pools
from linkspan.model import allow_lists, dockerfile, filters, port_grammar, reference, timestamps, volume
from linkspan.model.errors import LinkspanError
from linkspan.model.network import EndpointConfig, Network, Pool
from linkspan.network import options, rates, rules
from linkspan.path.dns import hosts, resolvconf
from linkspan.path.proxy.sources import Sources

NETWORK = Network("n", "front", "bridge", "", pools=(Pool(ip_network("10.0.0.0/24")),))
WORDS = st.text("abcdnrtuv0189:/.-_,;=@#*[]{}()<>\"'\\ \t\n%$~é\0", max_size=40) | st.text(max_size=40)


def option(key: str) -> Callable[[str], object]:
    return lambda text: options.bridge_options(Network("n", "n", "bridge", "", options=((key, text),)))


def endpoint(key: str) -> Callable[[str], object]:
    return lambda text: rules.check_endpoint(NETWORK, EndpointConfig(driver_opts=((key, text),)))


PARSERS: dict[str, Callable[[str], object]] = {
    "reference": reference.parse,
    "tag": lambda text: reference.with_tag("busybox", text),
    "Dockerfile": lambda text: dockerfile.check(text, "Dockerfile"),
    "base images": lambda text: dockerfile.base_images(text, {}),
    "duration": filters.duration,
    "moment": timestamps.parse_moment,
    "time": timestamps.to_nanoseconds,
    "port": port_grammar.split_port,
    "ports": lambda text: port_grammar.publish_requests(
        {text: [{"HostPort": text, "HostIp": text}]}, (text,)
    ),
    "sources": allow_lists.parse_sources,
    "volume": volume.checked_name,
    "volume options": lambda text: volume.check_options("v", {text: text, "type": text}),
    "volumes-from": mounts.volumes_from,
    "bytes": option_rules.size_bytes,
    "signal": signals.signal_number,
    "env file": lambda text: dotenv.parse(text, ".env", {}),
    "ports in compose": compose_ports.span,
    "host": daemon_values.host,
    "label": daemon_values.label,
    "search domain": daemon_values.search_domain,
    "firewall mark": daemon_values.fwmark,
    "MTU": daemon_values.mtu,
    "address of a bridge": daemon_values.interface4,
    "IPv6 address of a bridge": daemon_values.interface6,
    "limit": daemon_values.ulimit,
    "network option": daemon_values.network_option,
    "pool": pools.parse_pool,
    "version": versions.negotiate,
    "JSON": json_text.loads,
    "rate": rates.parse_rate,
    "gateway mode": option(options.BRIDGE + "gateway_mode_ipv4"),
    "icc": option(options.BRIDGE + "enable_icc"),
    "MTU of a network": option(options.MTU),
    "host binding": option(options.BRIDGE + "host_binding_ipv4"),
    "advertisements": option(options.ADVERTISE_COUNT),
    "interface name": endpoint(options.ENDPOINT_IFNAME),
    "sysctls of an interface": endpoint(options.ENDPOINT_SYSCTLS),
    "resolv.conf": resolvconf.parse,
    "hosts": lambda text: hosts.host_mode_file(text, ()),
    "iptables-save": restore.parse,
    "complaint of iptables": restore.failed_line,
    "rules of nft": lambda text: guards.of_chain(obstacles.Chain("inet", "t", "input", True, text)),
    "rules of iptables": lambda text: list(guards.ports_in_iptables(text.splitlines())),
    "sources of the proxy": Sources,
}


LOOSE = frozenset(
    """
    duration, moment, time, sources, limit, pool, JSON, rate, host, label, search domain, firewall mark, MTU,
    address of a bridge, IPv6 address of a bridge, network option, sources of the proxy, ports in compose,
    iptables-save
    """.replace("\n", " ")
    .strip()
    .split(", ")
)
"""These raise ValueError, which their callers turn into a sentence that names the option."""


@pytest.mark.parametrize("name", PARSERS)
@given(text=WORDS)
@settings(max_examples=60, deadline=None)
def test_any_text_is_read_or_refused(name, text):
    try:
        PARSERS[name](text)
    except LinkspanError as refusal:
        assert str(refusal)
    except ValueError:
        assert name.strip() in {each.strip() for each in LOOSE}
    except OSError:
        assert name == "sources of the proxy", "the daemon alone writes those"


@pytest.mark.parametrize("name", sorted(PARSERS))
@pytest.mark.parametrize("text", ["²", "١٢", "1" * 5000, "-1", "\0", "\ud800", "99999999999999999999"])
def test_numbers_that_are_none(name, text):
    try:
        PARSERS[name](text)
    except LinkspanError:
        return
    except ValueError:
        assert name.strip() in {each.strip() for each in LOOSE}
    except OSError:
        assert name == "sources of the proxy"
